"""Labels lines from stdin with four threads and one model; Ctrl-C stops at once and cleanly."""

import queue
import sys
import threading

import edgekit

THREADS = 4


def label(model: edgekit.Model, texts: queue.Queue[str | None], stop: threading.Event) -> None:
    while (text := texts.get()) is not None:
        if stop.is_set():
            continue  # only empties the queue
        try:
            answer = model.classify(text)
        except edgekit.EdgekitError as error:
            print(error, file=sys.stderr)
        else:
            sys.stdout.write(f"{answer.label}\t{answer.score:.0%}\t{text}\n")
            sys.stdout.flush()


def main(artifact: str) -> None:
    texts: queue.Queue[str | None] = queue.Queue(maxsize=100)
    stop = threading.Event()
    with edgekit.load(artifact, max_ram="500MB", threads=1) as model:
        threads = [
            threading.Thread(target=label, args=(model, texts, stop)) for _ in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        try:
            for line in sys.stdin:
                texts.put(line.strip())
        except KeyboardInterrupt:
            stop.set()
        finally:
            for _ in threads:
                texts.put(None)
            for thread in threads:
                thread.join()


if __name__ == "__main__":
    main(sys.argv[1])

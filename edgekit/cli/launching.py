"""Starts `compress` in several processes with accelerate's launcher; ends as the leader does."""

from __future__ import annotations

import argparse
import logging
import os
import signal

from edgekit.cli.output import messages
from edgekit.cli.planning import choose_device
from edgekit.errors import EdgekitError, MissingExtra
from edgekit.system import devices, machine


def is_launched() -> bool:
    """Whether a launcher started this process as one of several."""
    return "LOCAL_RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def launch(settings: argparse.Namespace) -> int:
    """Runs the command in `settings.processes` processes; returns the leader's exit code.

    Raises EdgekitError where a process ended without an error message of its own.
    """
    try:
        from accelerate.commands.launch import launch_command, launch_command_parser
        from torch.distributed.elastic.multiprocessing.api import SignalException
        from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    except ModuleNotFoundError as error:
        raise MissingExtra("accelerate", "compress") from error
    device = choose_device(settings.device)
    if device == "cuda":
        devices.check_processes(settings.processes, device, devices.find_gpu())
    threads = max(1, machine.cores() // settings.processes)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    # The processes report for themselves; the launcher would add pages to each of their messages.
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    # Also the option's name for processes on CPUs. Every setting that it would guess is given.
    words = ["--multi_gpu", "--num_processes", str(settings.processes), "--num_machines", "1"]
    words += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    words += ["--num_cpu_threads_per_process", os.environ["OMP_NUM_THREADS"]]
    words += ["-m", "edgekit", *command(settings, device=device)]
    try:
        launch_command(launch_command_parser().parse_args(words))
    except ChildFailedError as error:
        messages().show_cursor()  # a leader killed while drawing its bars has hidden it
        return exit_code({rank: one.exitcode for rank, one in error.failures.items()})
    except SignalException as error:
        if error.sigval == signal.SIGINT:
            raise KeyboardInterrupt from None
        raise
    return 0


def command(settings: argparse.Namespace, *, device: str) -> list[str]:
    """The arguments of the same command for one process."""
    words = ["compress", str(settings.recipe), "--device", device]
    if settings.out is not None:
        words += ["--out", str(settings.out)]
    for change in settings.changes:
        words += ["--set", change]
    return words + [f"--{name}" for name in ("smoke", "json") if getattr(settings, name)]


def exit_code(failures: dict[int, int]) -> int:
    """The leader's own, where it ended by itself; `failures` are exit codes, or minus the signal's
    number where one killed the process."""
    leader = failures.get(0, 0)
    if leader > 0:
        return leader
    number, code = next((item for item in failures.items() if item[0] != 0), (0, leader))
    how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
    raise EdgekitError(
        f"process {number} of this run {how}, and so the others were stopped; the same command "
        "goes on from the last save."
    )

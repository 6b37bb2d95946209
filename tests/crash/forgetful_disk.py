"""A disk that a power cut can strike: it keeps only what POSIX says is kept.

A file's bytes last once the file was synced; a folder's names last once the folder was synced,
whole lists at a time, so that a rename inside one folder is done or undone but never half. For all
else the cut is free to choose, and `Cut` chooses: the old state, the new state, or garbage.
"""

import os
import random
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Cut:
    """How a power cut treats what was not synced."""

    names: str  # "old", "new" or "any"
    bytes: str  # "empty", "half", "garbage", "new" or "any"
    seed: int = 0


CUTS = (
    Cut(names="old", bytes="empty"),
    Cut(names="new", bytes="empty"),
    Cut(names="new", bytes="half"),
    Cut(names="new", bytes="garbage"),
    Cut(names="new", bytes="new"),  # what kill -9 leaves
    *(Cut(names="any", bytes="any", seed=seed) for seed in range(4)),
)


class ForgetfulDisk:
    """Works on real files below `root`, and can say what of them a power cut would leave.

    Files and folders are known by inode. `lie` is the number of a sync that is acknowledged and
    not done, as a drive with a lying cache does, or a programmer who forgot it. `swaps` is whether
    it can exchange two names.
    """

    def __init__(self, root: Path, *, lie: int | None = None, swaps: bool = True):
        self.root = root
        self._swaps = swaps
        self.syncs = 0
        self.before_call = lambda: None
        self._lie = lie
        self._bytes: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._folders: set[int] = set()
        self._held: dict[int, int] = {}
        self.sync_folder(root)
        self.syncs = 0

    def sync_file(self, path: Path) -> None:
        if self._is_done():
            self._bytes[self._inode(path)] = path.read_bytes()

    def sync_folder(self, path: Path) -> None:
        if self._is_done():
            self._names[self._inode(path)] = self._listing(path)

    def replace(self, source: Path, target: Path) -> None:
        self.before_call()
        source.replace(target)

    def exchange(self, one: Path, other: Path) -> bool:
        self.before_call()
        if not self._swaps:
            return False
        aside = one.with_name(f"{one.name} aside")  # one move as far as anybody can see
        one.replace(aside)
        other.replace(one)
        aside.replace(other)
        return True

    def close(self) -> None:
        for descriptor in self._held.values():
            os.close(descriptor)

    def after_cut(self, cut: Cut) -> "Tree":
        """All that would be below root when the power comes back."""
        return _Restorer(self, cut).tree()

    def _is_done(self) -> bool:
        self.before_call()
        self.syncs += 1
        return self.syncs - 1 != self._lie

    def _inode(self, path: Path) -> int:
        """Holds the inode open for good: else its number could come to mean another file."""
        inode = path.stat().st_ino
        if inode not in self._held:
            self._held[inode] = os.open(path, os.O_RDONLY)
            if path.is_dir():
                self._folders.add(inode)
        return inode

    def _listing(self, path: Path) -> dict[str, int]:
        return {inner.name: self._inode(inner) for inner in path.iterdir()}


@dataclass(frozen=True)
class Tree:
    """A folder's content: files by name with their bytes, and folders."""

    files: dict[str, bytes] = field(default_factory=dict)
    folders: dict[str, "Tree"] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        folder.mkdir()
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        for name, tree in self.folders.items():
            tree.write(folder / name)

    def key(self):
        """Equal for equal trees."""
        folders = sorted((name, tree.key()) for name, tree in self.folders.items())
        return tuple(sorted(self.files.items())), tuple(folders)


class _Restorer:
    def __init__(self, disk: ForgetfulDisk, cut: Cut):
        self._disk = disk
        self._cut = cut
        self._random = random.Random(cut.seed)
        self._live_names: dict[int, dict[str, int]] = {}
        self._live_bytes: dict[int, bytes] = {}
        self._look(disk.root)

    def tree(self) -> Tree:
        return self._restore(self._disk._inode(self._disk.root))

    def _look(self, folder: Path) -> None:
        self._live_names[self._disk._inode(folder)] = self._disk._listing(folder)
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                self._look(path)
            else:
                self._live_bytes[self._disk._inode(path)] = path.read_bytes()

    def _restore(self, folder: int) -> Tree:
        tree = Tree()
        for name, inode in sorted(self._names_of(folder).items()):
            if inode in self._disk._folders:
                tree.folders[name] = self._restore(inode)
            else:
                tree.files[name] = self._bytes_of(inode)
        return tree

    def _names_of(self, folder: int) -> dict[str, int]:
        old = self._disk._names.get(folder, {})
        new = self._live_names.get(folder, {})  # a folder that was removed was emptied first
        wanted = self._cut.names
        if wanted == "any":
            wanted = self._random.choice(("old", "new"))
        return old if wanted == "old" else new

    def _bytes_of(self, inode: int) -> bytes:
        old = self._disk._bytes.get(inode)
        new = self._live_bytes.get(inode, old if old is not None else b"")
        if old == new:
            return old  # all of it was synced: no cut can touch it
        wanted = self._cut.bytes
        if wanted == "any":
            wanted = self._random.choice(("empty", "half", "garbage", "new", "old"))
        choices = {"empty": b"", "half": new[: len(new) // 2], "garbage": b"\xa5" * len(new)}
        return choices.get(wanted, new if wanted == "new" else old or b"")

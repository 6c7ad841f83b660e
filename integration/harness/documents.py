"""The documents as data: links, anchors, flags, fenced blocks."""

import dataclasses
import re

from . import ROOT

FENCE = re.compile(r"^```(\S*)( run)?\n(.*?)^```$", re.M | re.S)


@dataclasses.dataclass
class Block:
    """A fenced block. One that is marked `run` is run by a test: every command in it must do what the text says."""

    name: str
    language: str
    is_run: bool
    text: str

    def commands(self):
        """Its commands without comments; lines that end in a backslash are joined."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in (re.sub(r"\s+# .*", "", line).strip() for line in lines) if line and not line.startswith("#")]


class Document:
    def __init__(self, path):
        self.path, self.name = path, str(path.relative_to(ROOT))
        self.text = path.read_text()
        self.prose = FENCE.sub("", self.text)

    def blocks(self):
        return [Block(f"{self.name}:{self.text.count(chr(10), 0, found.start()) + 1}", found[1], bool(found[2]), found[3])
                for found in FENCE.finditer(self.text)]

    def links(self):
        """Targets of links within the repository."""
        targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", self.prose))
        return [target for target in targets if not re.match(r"\w+:", target)]

    def anchors(self):
        """The names that headings have as link targets, as GitHub makes them."""
        found = []
        for heading in re.findall(r"^#+ (.*)$", self.prose, re.M):
            text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
            slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
            found.append(slug if slug not in found else f"{slug}-{found.count(slug)}")
        return found

    def code(self):
        """What is code in it: blocks, and what stands in backticks."""
        return [block.text for block in self.blocks()] + re.findall(r"`([^`\n]+)`", self.prose)


def documents():
    folders = [ROOT, ROOT / "docs", ROOT / "docker", ROOT / "benches", ROOT / "integration/clients"]
    return [Document(path) for folder in folders for path in sorted(folder.glob("*.md"))]

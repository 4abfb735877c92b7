"""README.md is the site's first page: its links into docs/ are made relative to it, and those to
other files of the repository keep their text alone. Links from the docs to it lead there."""

import os
import re

from mkdocs.structure.files import File

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_files(files, config):
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
        files.append(File.generated(config, "index.md", content=LINK.sub(inside, f.read())))
    return files


def on_page_markdown(markdown, page, config, files):
    return markdown.replace("](../README.md", "](index.md")


def inside(m):
    picture, text, target = m.groups()
    path, _, anchor = target.partition("#")
    if "://" in target or not path:
        return m.group(0)
    if not os.path.exists(os.path.join(ROOT, path)):
        raise SystemExit(f"README.md: {target}: there is no such file")
    if path.startswith("docs/"):
        return f"{picture}[{text}]({target.removeprefix('docs/')})"
    return text

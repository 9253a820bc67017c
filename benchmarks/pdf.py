"""What does a killable worker process cost beside pdfium in our own?

The peer opens each file and takes the text of each page, which is what our extractor asks of pdfium. Ours also finds the type
by content, looks for form fields, reads metadata, has pypdf look at pages without text, and sends it all through a pipe.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks._costs import Action, Cost, Meter, contest
from benchmarks._figures import Figure
from benchmarks._installation import temporary_folder
from benchmarks._trees import passage
from connector_pipelines.core.types import InputFile
from connector_pipelines.extractors._pool import ExtractionPool, Limits
from tests.files import pdf

__all__ = ["figures"]

_PAGES = 10
_LINE = 90
_PAGE_CHARACTERS = 3_000
_LIMITS = Limits(time_s=60, memory_bytes=2 * 1024**3)


def figures(*, quick: bool) -> Iterator[Figure | str]:
    files, rounds = (50, 1) if quick else (200, 3)
    with temporary_folder() as base:
        paths = _pdfs(base, files)
        _bare(paths[:1])()
        for workers in (1, 2):
            ours, peer = contest(Meter(), rounds, lambda _: _pooled(paths, workers), lambda _: _bare(paths))  # noqa: B023 - called at once
            yield _figure(f"{workers} worker{'s' * (workers > 1)}, their start included", ours, peer, files)
        with ExtractionPool(1, _LIMITS) as pool:
            _through(pool, paths[:2], 1)
            ours, peer = contest(Meter(), rounds, lambda _: lambda: _through(pool, paths, 1), lambda _: _bare(paths))
        yield _figure("1 worker that runs already", ours, peer, files)


def _figure(how: str, ours: list[Cost], peer: list[Cost], files: int) -> Figure:
    what = f"{files} PDFs of {_PAGES} pages, {how}"
    return Figure(what=what, peer_name="pypdfium2 in process", ours=ours, peer=peer, items=files * _PAGES, unit="page", goal=0.8, by="CPU")


def _pdfs(base: Path, files: int) -> list[Path]:
    source, paths = random.Random(3), []
    for number in range(files):
        pages = [_lines(passage(source, _PAGE_CHARACTERS)) for _ in range(_PAGES)]
        path = base / f"report{number:04}.pdf"
        path.write_bytes(pdf(pages, title=f"Report {number}"))
        paths.append(path)
    return paths


def _lines(text: str) -> str:
    return "\n".join(text[start : start + _LINE] for start in range(0, len(text), _LINE))


def _pooled(paths: list[Path], workers: int) -> Action:
    def action() -> None:
        with ExtractionPool(workers, _LIMITS) as pool:
            _through(pool, paths, workers)

    return action


def _through(pool: ExtractionPool, paths: list[Path], workers: int) -> None:
    def pages(path: Path) -> int:
        found = pool.extract(InputFile(path=path, name=path.name, media_type="application/pdf"))
        return len(found.sections) if found else 0

    with ThreadPoolExecutor(workers) as threads:
        _check(sum(threads.map(pages, paths)), paths)


def _bare(paths: list[Path]) -> Action:
    import pypdfium2

    def pages(path: Path) -> int:
        document = pypdfium2.PdfDocument(path)
        for page in document:
            text = page.get_textpage()
            text.get_text_bounded()
            text.close()
            page.close()
        count = len(document)
        document.close()
        return count

    return lambda: _check(sum(map(pages, paths)), paths)


def _check(pages: int, paths: list[Path]) -> None:
    if pages != len(paths) * _PAGES:
        raise RuntimeError(f"{pages} pages were read of {len(paths) * _PAGES}")

"""How were the sample files in `files/` made? By this: ``python examples/make_files.py [FOLDER]``. The project in them is invented."""

from __future__ import annotations

import io
import math
import sys
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

__all__ = ["make_files"]

MADE_AT = datetime(2026, 3, 20, 8, 0, tzinfo=UTC)

REPORT = [
    """Site report no. 12 - Retaining wall Lindenhang, lot 2
Week 11, 9 to 13 March 2026. Author: Marta Ruiz, site management

1 Summary
Work on the retaining wall went on from axis 3 to axis 9. The weather was dry until
Wednesday, followed by 38 mm of rain within 20 hours. The rain was the reason for
an extra survey on Thursday morning.

The retaining wall on axis 7 moved 14 mm towards the road between Monday and
Thursday. The alarm value of the monitoring plan is 12 mm. Work in front of axes 6
to 8 was stopped at 10:40, and the lane next to the site was closed.

On all other axes the movement stayed below 5 mm, which is within the forecast.

2 People and plant
On site were 11 workers of the main contractor and 4 of the drilling company, two
excavators of 22 t, one drilling rig and a mobile crane of 60 t. There were no
accidents and one near miss: a sling was found with a cut and was discarded.""",
    """3 Work done
Axes 3 to 5: shotcrete of the second layer finished, 96 square metres, thickness
checked at eight points and found between 21 and 24 cm. Samples SC-31 to SC-36
were taken and sent to the laboratory.

Axes 6 to 8: anchors of row 2 drilled. Anchor A7-2 lost grout into a fissure: 410
litres were needed where 150 were calculated. The geologist was told.

Axis 9: excavation down to level 214.60 m above sea level. The soil is weathered
marl as expected; water came out of the slope at level 216.10 m, about 2 litres a
minute, and is led into the open drain.

4 Measurements
Inclinometer I-3 stands behind axis 7. Its greatest movement was found 4.5 m
below ground, which is the level of the old slip surface described in the ground
report of 2024. Anchor load cell L7-1 rose from 412 kN to 468 kN; its design load
is 520 kN.""",
    """5 Decisions and next steps
The designer, the geologist and site management met on Thursday at 15:00.
Agreed were:
a) Row 3 of the anchors on axes 6 to 8 is brought forward, and the anchors become
   18 m long instead of 15 m.
b) Until then a berm of 180 cubic metres of gravel is placed in front of axis 7.
c) Measurements are read every four hours, and by night as well.
d) Work in front of axes 6 to 8 begins again when three readings in a row show
   less than 1 mm of change.

6 Costs
The berm and the longer anchors are estimated at 27,400 euros. The client was told
by telephone on Friday, and asked for a written offer by 18 March.

7 Visitors
The road authority inspected the closed lane on Friday and asked for a second
warning light at the southern end.""",
]

SPECIFICATION: list[tuple[str, str] | list[list[str]]] = [
    ("Heading 1", "Scope"),
    (
        "Normal",
        (
            "This specification covers the permanent retaining wall at Lindenhang between axes 1 and 14, including its ground "
            "anchors, drainage and facing. It does not cover the road works above the wall, which are lot 3."
        ),
    ),
    ("Heading 1", "Concrete"),
    ("Heading 2", "Strength and exposure"),
    (
        "Normal",
        (
            "Concrete of the capping beam is C35/45 for exposure classes XC4, XD3 and XF4, with at least 4.5 % of entrained air. "
            "Shotcrete of the wall is SpC 30/37. The cover of all reinforcement towards the road is 55 mm."
        ),
    ),
    ("Heading 2", "Curing"),
    (
        "Normal",
        (
            "Every surface is kept moist for at least seven days. Below an air temperature of 5 degrees Celsius it is covered with "
            "insulating mats, and the temperature of the concrete is recorded each hour."
        ),
    ),
    ("Heading 1", "Ground anchors"),
    ("Normal", "Anchors are permanent, with double corrosion protection. They are tensioned no earlier than seven days after grouting."),
    [
        ["Row", "Axes", "Length", "Inclination", "Lock-off load"],
        ["1", "1 to 14", "15 m", "15 degrees", "400 kN"],
        ["2", "3 to 12", "15 m", "20 degrees", "450 kN"],
        ["3", "6 to 8", "18 m", "20 degrees", "450 kN"],
    ],
    (
        "Normal",
        (
            "Three anchors of each row are tested to 1.5 times the lock-off load before the others are tensioned. An anchor that creeps "
            "more than 2 mm per decade of time is replaced at the contractor's cost."
        ),
    ),
    ("Heading 1", "Drainage"),
    (
        "Normal",
        (
            "Weep holes of 100 mm diameter are placed every 3 m. Behind the wall lies a drainage mat with a capacity of 1.2 litres per second "
            "and metre. The outlet at axis 14 gets a sampling chamber, because the marl releases sulphate."
        ),
    ),
    ("Heading 1", "Monitoring"),
    (
        "Normal",
        "The alarm value of horizontal movement is 12 mm, the limit value 20 mm. At the limit value all work stops and the road is closed.",
    ),
]

EARTHWORKS: list[list[object]] = [
    ["Position", "Description", "Unit", "Quantity", "Unit price EUR"],
    ["01.01", "Strip topsoil and store it on site, 30 cm", "m2", 1850, 2.4],
    ["01.02", "Excavate soil classes 3 to 5, load and carry away", "m3", 6420.5, 18.9],
    ["01.03", "Excavate weathered marl, class 6", "m3", 1310, 31.5],
    ["01.04", "Berm of gravel 0/63 in front of axis 7, place and remove", "m3", 180, 44],
    ["01.05", "Backfill behind the capping beam in layers of 25 cm", "m3", 940, 27.8],
    ["01.06", "Open drain with half pipes, nominal width 300", "m", 126, 61],
]
ANCHORING: list[list[object]] = [
    ["Position", "Description", "Unit", "Quantity", "Unit price EUR"],
    ["02.01", "Set up and remove drilling rig", "pcs", 1, 8600],
    ["02.02", "Permanent anchor row 1, 15 m, lock-off load 400 kN", "pcs", 42, 1980],
    ["02.03", "Permanent anchor row 2, 15 m, lock-off load 450 kN", "pcs", 30, 2075],
    ["02.04", "Permanent anchor row 3, 18 m, lock-off load 450 kN", "pcs", 9, 2410],
    ["02.05", "Extra grout beyond 1.5 times the calculated volume", "kg", 5200, 0.62],
    ["02.06", "Load cell with cable to the measuring cabin", "pcs", 6, 1340],
]

SLIDES = [
    (
        "Retaining wall Lindenhang: status in March",
        ["60 % of the shotcrete is done", "Anchors: row 1 complete, row 2 on axes 3 to 8", "Two weeks behind the programme"],
        "Begin with the photograph of axis 7. The client already knows about the movement.",
    ),
    (
        "What happened on axis 7",
        ["38 mm of rain in 20 hours", "Water pressure on the old slip surface, 4.5 m deep", "Movement of 14 mm, alarm value 12 mm"],
        "The limit value of 20 mm was never reached.",
    ),
    (
        "What we propose",
        ["Gravel berm of 180 m3, removed in May", "Row 3 with 18 m long anchors", "Offer of 27,400 euros by 18 March"],
        "Decision needed today: the drilling rig is booked elsewhere from 30 March.",
    ),
]

README = """# Retaining wall Lindenhang, lot 2

Files of site management for the wall between axes 1 and 14. The slope above carries the road to the Lindenhang school.

## Where is what

| File | What it is |
|---|---|
| `site-report-12.pdf` | weekly report, with the movement of the wall |
| `specification-wall.docx` | what is to be built, and how it is tested |
| `bill-of-quantities.xlsx` | quantities and prices: earthworks, anchoring |
| `inclinometer-i3.csv` | readings behind axis 7, every four hours |
| `meetings/status-march.pptx` | slides for the client |

## Levels and axes

Axis 1 is at the school, axis 14 at the bridge; axes are 6 m apart. All levels refer to the national height system. The benchmark is
bolt HB 17 in the northern abutment of the bridge, at 219.482 m.

## People

### On site

Marta Ruiz leads site management; Jonas Keller reads the instruments.

### In the office

Dr. Aylin Demir is the geologist. Nights and weekends, call the emergency number on the fence.
"""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Lindenhang: notice to residents</title>
<style>body { font-family: sans-serif }</style></head>
<body>
<nav><a href="index.html">Start</a> <a href="contact.html">Contact</a></nav>
<h1>Notice to residents</h1>
<p>From <b>16 March</b> until the end of May the lane beside the retaining wall is closed. Traffic passes in turns, regulated by lights.
The school bus stops at the <a href="https://example.org/bridge-stop">bridge stop</a> instead, four minutes on foot from the school.</p>
<h2>Noise</h2>
<p>Anchors are drilled on workdays from 7:30 to 17:00. By night only the instruments are read, with a hand lamp and without machines.</p>
<h2>Dates</h2>
<table><tr><th>What</th><th>When</th></tr>
<tr><td>Gravel berm placed</td><td>17 and 18 March</td></tr>
<tr><td>Third row of anchors</td><td>19 to 28 March</td></tr>
<tr><td>Open evening in the town hall, room 2.11</td><td>26 March, 19:00</td></tr></table>
<script>console.log("visited");</script>
</body></html>
"""

NOTE = """Phone call with the laboratory, 17 March 2026, 9:15, J. Keller

Samples SC-31 to SC-36 were crushed yesterday, at an age of seven days. Mean 34.8 N/mm2, lowest SC-34 with 31.2 N/mm2. That is above
what is asked for at 28 days, so the second layer on axes 3 to 5 is accepted.

The water from the drain at axis 9 has 640 mg of sulphate per litre: moderately aggressive (XA2). The sampling chamber at axis 14 will
be lined with sulphate-resistant mortar. To be asked: does the shotcrete of the lowest metre need another cement?

The lab is closed on 3 April. Next samples by courier, the key for the sample box is in the container of site management, hook 4.
"""


def make_files(folder: Path) -> None:
    """Write all samples below `folder`."""
    made: dict[str, Callable[[], bytes]] = {
        "README.md": README.encode,
        "site-report-12.pdf": lambda: _pdf(REPORT),
        "specification-wall.docx": _docx,
        "bill-of-quantities.xlsx": _xlsx,
        "inclinometer-i3.csv": _csv,
        "notice-to-residents.html": PAGE.encode,
        "phone-note-laboratory.txt": NOTE.encode,
        "meetings/status-march.pptx": _pptx,
        # Broken on purpose: as a transfer leaves it that was cut off, its last bytes lost and some in the middle.
        "broken-drawing.pdf": lambda: _pdf(["Drawing W-107, section on axis 7, 1:50"])[:420].replace(b"obj", b"\0\0\0"),
    }
    for name, make in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make())


def _pdf(pages: Sequence[str]) -> bytes:
    """A4 pages in Helvetica, a line for each line."""
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{' '.join(f'{5 + 2 * n} 0 R' for n in range(len(pages)))}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Title (Site report 12, Lindenhang) /Author (Marta Ruiz) /CreationDate (D:20260313163000Z) >>",
    ]
    for number, text in enumerate(pages):
        lines = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)").split("\n")
        content = ("BT /F1 11 Tf 15 TL 60 780 Td\n" + "\n".join(f"({line}) Tj T*" for line in lines) + "\nET").encode("cp1252")
        box = "/MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >>"
        bodies.append(f"<< /Type /Page /Parent 2 0 R {box} /Contents {6 + 2 * number} 0 R >>".encode())
        bodies.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    out, places = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R /Info 4 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return bytes(out) + end % (len(places) + 1, table, len(places) + 1, len(out))


def _docx() -> bytes:
    from docx import Document

    document = Document()
    properties = document.core_properties
    properties.title, properties.author = "Specification of the retaining wall Lindenhang", "Aylin Demir"
    properties.created = properties.modified = MADE_AT.replace(tzinfo=None)
    document.sections[0].footer.paragraphs[0].text = "Lindenhang lot 2, revision C of 20 March 2026"
    for block in SPECIFICATION:
        if isinstance(block, tuple):
            document.add_paragraph(block[1], style=block[0])
            continue
        table = document.add_table(rows=0, cols=len(block[0]))
        for row in block:
            for cell, text in zip(table.add_row().cells, row, strict=True):
                cell.text = text
    out = io.BytesIO()
    document.save(out)
    return _undated(out.getvalue())


def _xlsx() -> bytes:
    import xlsxwriter

    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    book.set_properties({"title": "Bill of quantities, Lindenhang lot 2", "author": "Marta Ruiz", "created": MADE_AT.replace(tzinfo=None)})
    for name, rows in (("Earthworks", EARTHWORKS), ("Anchoring", ANCHORING)):
        sheet = book.add_worksheet(name)
        sheet.set_column(1, 1, 60)
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    book.close()
    return _undated(out.getvalue())


def _csv() -> bytes:
    """Readings every four hours for eight days; semicolons, decimal commas and Windows-1252, as German programs write them."""
    lines = ["Zeitpunkt;Messstelle;Tiefe in m;Verschiebung in mm;Luft in °C;Prüfer;Bemerkung"]
    remarks = {
        21: "Starkregen, 38 mm in 20 h",
        24: "Alarmwert überschritten, Arbeiten vor Achse 6 bis 8 eingestellt",
        45: "Kiesberme vor Achse 7 geschüttet",
    }
    for step in range(48):
        moved = 2.1 + 14 / (1 + math.exp((22 - step) / 2))
        air = 7 + 5 * math.sin(step * math.pi / 3)
        at = datetime(2026, 3, 9, tzinfo=UTC) + timedelta(hours=4 * step)
        values = (f"{at:%d.%m.%Y %H:%M}", "I-3", "4,5", f"{moved:.1f}".replace(".", ","), f"{air:.1f}".replace(".", ","), "Köhler")
        lines.append(";".join([*values, remarks.get(step, "")]))
    return ("\r\n".join(lines) + "\r\n").encode("cp1252")


def _pptx() -> bytes:
    from pptx import Presentation

    presentation = Presentation()
    properties = presentation.core_properties
    properties.title, properties.author = "Status in March, Lindenhang", "Marta Ruiz"
    properties.created = properties.modified = MADE_AT.replace(tzinfo=None)
    for title, points, notes in SLIDES:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = "\n".join(points)
        slide.notes_slide.notes_text_frame.text = notes
    out = io.BytesIO()
    presentation.save(out)
    return _undated(out.getvalue())


def _undated(data: bytes) -> bytes:
    """The same archive without the time of its making: equal runs give equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), old.read(name), zipfile.ZIP_DEFLATED)
    return out.getvalue()


if __name__ == "__main__":
    make_files(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "files")

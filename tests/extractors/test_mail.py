from __future__ import annotations

import base64
import datetime as dt
from email.message import EmailMessage
from pathlib import Path

import pytest

from connector_pipelines.core.errors import Malformed, ResourceError
from connector_pipelines.extractors.mail import Extractor
from tests.extractors.conftest import MakeFile, Read, read

EML, MBOX = "message/rfc822", "application/mbox"


@pytest.fixture
def mail(make_file: MakeFile, parts_folder: Path):  # type: ignore[no-untyped-def]
    """Read a message of these bytes."""

    def read_it(data: bytes | EmailMessage) -> Read:
        raw = data if isinstance(data, bytes) else data.as_bytes()
        return read(Extractor(), make_file("a.eml", raw, EML, parts_folder=parts_folder))

    return read_it


def message(text: str = "", **headers: str) -> EmailMessage:
    made = EmailMessage()
    for name, value in headers.items():
        made[name] = value
    made.set_content(text)
    return made


def test_a_message_is_found_by_its_people_and_named_by_its_subject(mail) -> None:  # type: ignore[no-untyped-def]
    sent = message(
        "It moved 14 mm.",
        From="Zoë <z@example.com>",
        To="b@example.com",
        Cc="c@example.com",
        Date="Sun, 01 Mar 2026 10:30:00 +0100",
        Subject="Axis 7",
    )

    found = mail(sent)

    assert found.facts.title == "Axis 7"
    assert (
        found.sections[0].text
        == "From: Zoë <z@example.com>\nTo: b@example.com\nCc: c@example.com\nDate: Sun, 01 Mar 2026 10:30:00 +0100\nSubject: Axis 7"
    )
    assert found.sections[1].text == "It moved 14 mm."
    assert found.facts.details["date"] == "2026-03-01T09:30:00+00:00"


def test_attachments_are_parts_under_names_of_ours(mail, parts_folder: Path) -> None:  # type: ignore[no-untyped-def]
    sent = message("see plan", Subject="plan")
    sent.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="../../Größe.pdf")
    sent.add_attachment(b"raw", maintype="application", subtype="octet-stream")
    sent.add_attachment(message("inner text", Subject="Re: a/b"))

    found = mail(sent)

    assert [(part.name, part.media_type, part.path.name) for part in found.parts] == [
        ("Größe.pdf", "application/pdf", "000001"),
        ("attachment-2.bin", "application/octet-stream", "000002"),
        ("Re: a-b.eml", "message/rfc822", "000003"),
    ]
    assert {path.name for path in parts_folder.iterdir()} == {"000001", "000002", "000003"}
    assert b"inner text" in found.named["Re: a-b.eml"]
    assert "Attachments: Größe.pdf" in found.text


def test_plain_text_is_preferred_to_html_unless_it_is_a_stub(mail) -> None:  # type: ignore[no-untyped-def]
    page = "<p>The wall on axis seven moved by fourteen millimetres since the last survey in March.</p>"
    whole, stub = message("The wall on axis seven moved by fourteen millimetres."), message("Your program shows no HTML.")
    whole.add_alternative(page, subtype="html")
    stub.add_alternative(page, subtype="html")

    assert "since the last survey" not in mail(whole).text
    assert "since the last survey" in mail(stub).text
    assert "shows no HTML" not in mail(stub).text


@pytest.mark.parametrize(
    ("raw", "subject"),
    [
        (b"=?utf-8?B?U3TDvHR6ZQ==?=", "Stütze"),
        (b"=?iso-8859-1?Q?St=FCtze?= =?iso-8859-1?Q?_7?=", "Stütze 7"),
        (b"=?utf-8?B?U3TD?= =?utf-8?B?vHR6ZQ==?=", "Stütze"),  # a character cut in two
        ("Stütze".encode(), "Stütze"),
        ("Stütze".encode("latin-1"), "Stütze"),
        (b"=?x-unheard-of?Q?St=C3=BCtze?=", "Stütze"),
        (b"=?utf-8?B?!!!?= rest", "rest"),
        (b"=?utf-8?Q?cut", "=?utf-8?Q?cut"),
        (b"folded\r\n\tover lines", "folded over lines"),
        (b"=?gb2312?B?vPLM5Q==?=", "简体"),
    ],
)
def test_subjects_are_read_however_they_are_encoded(mail, raw: bytes, subject: str) -> None:  # type: ignore[no-untyped-def]
    assert mail(b"Subject: " + raw + b"\r\n\r\nbody\r\n").facts.title == subject


@pytest.mark.parametrize(
    ("charset", "encoding", "data"),
    [
        ("utf-8", "base64", base64.b64encode("Stütze".encode())),
        ("utf-8", "base64", base64.b64encode("Stütze".encode())[:-1] + b"*"),
        ("windows-1252", "quoted-printable", b"St=FCtze"),
        ("x-unheard-of", "8bit", "Stütze".encode()),
        ("us-ascii", "8bit", "Stütze".encode("cp1252")),
        ("utf-8", "8bit", "Stütze".encode("cp1252")),
        ("utf-8", "x-unheard-of", "Stütze".encode()),
    ],
)
def test_a_text_is_read_whatever_its_headers_say_of_it(mail, charset: str, encoding: str, data: bytes) -> None:  # type: ignore[no-untyped-def]
    head = f"Subject: a\r\nContent-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()

    assert "St" in mail(head + data).text
    assert "tz" in mail(head + data).text


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        (b'filename="=?utf-8?Q?Gr=C3=B6=C3=9Fe.pdf?="', "Größe.pdf"),
        (b"filename*=utf-8''Gr%C3%B6%C3%9Fe.pdf", "Größe.pdf"),
        (b"filename*0*=utf-8''Gr%C3%B6; filename*1*=%C3%9Fe.pdf", "Größe.pdf"),
        ('filename="Größe.pdf"'.encode(), "Größe.pdf"),
        (b'filename="C:\\\\temp\\\\plan.pdf"', "plan.pdf"),
        (b"filename*=x-unheard-of''plan.pdf", "plan.pdf"),
        (b"filename=plan", "plan.pdf"),
        (b"filename=", "attachment-1.pdf"),
    ],
)
def test_names_of_attachments_are_read_however_they_are_encoded(mail, parameter: bytes, name: str) -> None:  # type: ignore[no-untyped-def]
    head = b"Subject: a\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; "

    assert [part.name for part in mail(head + parameter + b"\r\n\r\n%PDF-\r\n--x--\r\n").parts] == [name]


def test_small_pictures_in_the_text_are_left_out_and_large_ones_are_files(mail) -> None:  # type: ignore[no-untyped-def]
    sent = message("see below", Subject="a")
    sent.add_alternative("<p>see below</p><img src='cid:logo'><img src='cid:screen'>", subtype="html")
    sent.get_payload()[1].add_related(bytes(100), "image", "png", cid="<logo>")
    sent.get_payload()[1].add_related(bytes(50_000), "image", "png", cid="<screen>", filename="screen.png")

    found = mail(sent)

    assert [part.name for part in found.parts] == ["screen.png"]
    assert found.facts.details["small_pictures_left_out"] == 1


def test_a_report_of_failed_delivery_says_to_whom_and_carries_the_message(mail) -> None:  # type: ignore[no-untyped-def]
    data = (
        b"From: daemon@example.com\r\nContent-Type: multipart/report; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        b"--x\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; lost@example.com\r\n"
        b"--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: Axis 7\r\n\r\nIt moved.\r\n--x--\r\n"
    )

    found = mail(data)

    assert "Final-Recipient: rfc822; lost@example.com" in found.text
    assert [part.name for part in found.parts] == ["Axis 7.eml"]


def test_what_is_encrypted_inside_is_said(mail) -> None:  # type: ignore[no-untyped-def]
    found = mail(b"Subject: a\r\nContent-Type: application/pkcs7-mime; name=smime.p7m\r\n\r\nxyz")

    assert found.facts.warnings == ("its text is encrypted and was not read",)
    assert [part.name for part in found.parts] == ["smime.p7m"]


@pytest.mark.parametrize(
    "data",
    [
        b"Subject: a\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nkept text",
        b"Subject: a\r\nContent-Type: multipart/mixed\r\n\r\nkept text",
        b"Subject: a\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--y\r\n\r\nkept text\r\n--y--",
        b"Subject: a\r\nContent-Type: ;;;=\r\n\r\nkept text",
        b"Subject: a\r\nno colon here\r\n\r\nkept text",
        b"\xef\xbb\xbfSubject: a\r\n\r\nkept text",
        "Subject: a\n\nkept text".encode("utf-16"),
        b"\r\n\r\nSubject: a\r\n\r\nkept text",
    ],
    ids=["never closed", "no boundary", "another boundary", "no type", "no header", "mark", "utf-16", "blank lines first"],
)
def test_a_damaged_message_is_read_as_far_as_it_goes(mail, data: bytes) -> None:  # type: ignore[no-untyped-def]
    found = mail(data)

    assert found.facts.title == "a"
    assert "kept text" in found.text


@pytest.mark.parametrize("kind", [b"multipart/mixed; boundary=b%d", b"message/rfc822"])
def test_parts_nested_without_end_meet_a_limit(mail, kind: bytes) -> None:  # type: ignore[no-untyped-def]
    levels = 1500
    data = b"Subject: a\r\n" + b"".join(
        b"Content-Type: " + (kind % level if b"%d" in kind else kind) + b"\r\n\r\n" + (b"--b%d\r\n" % level if b"%d" in kind else b"")
        for level in range(levels)
    )

    with pytest.raises(ResourceError, match="nested"):
        mail(data)


def test_an_empty_message_is_none(mail) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Malformed):
        mail(b" \r\n")


def test_each_message_of_a_mailbox_is_a_part(make_file: MakeFile, parts_folder: Path) -> None:
    first = b"From a@example.com Sun Mar  1 09:30:00 2026\nFrom: a@example.com\nSubject: Axis 7\nDate: Sun, 01 Mar 2026 09:30:00 +0000\n\nIt moved.\n\n"
    second = (
        b"From b@example.com Mon Mar  2 10:00:00 2026\nSubject: Re: Axis 7\n\n>From here on it stood.\n\nFrom here the road goes on.\n\n"
    )

    found = read(Extractor(), make_file("a.mbox", first + second, MBOX, parts_folder=parts_folder))

    assert found.text == "1. Axis 7 — a@example.com — Sun, 01 Mar 2026 09:30:00 +0000\n2. Re: Axis 7"
    assert [part.name for part in found.parts] == ["00001 Axis 7.eml", "00002 Re: Axis 7.eml"]
    assert found.named["00002 Re: Axis 7.eml"] == b"Subject: Re: Axis 7\n\nFrom here on it stood.\n\nFrom here the road goes on.\n\n"
    assert found.parts[0].modified_at == dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)


def test_a_message_with_the_line_of_a_mailbox_is_one_and_two_of_them_are_a_mailbox(mail) -> None:  # type: ignore[no-untyped-def]
    one = b"From a@example.com Sun Mar  1 09:30:00 2026\nSubject: Axis 7\n\nIt moved.\n\n"

    assert (mail(one).facts.title, len(mail(one * 2).parts)) == ("Axis 7", 2)


def test_of_a_large_mailbox_every_message_is_named_and_those_too_many_are_missed(make_file: MakeFile, parts_folder: Path) -> None:
    data = b"".join(b"From a Sun Mar  1 09:30:00 2026\nSubject: no %d\n\ntext\n\n" % number for number in range(1000))

    found = read(Extractor(), make_file("a.mbox", data, MBOX, parts_folder=parts_folder, max_parts=10))

    assert (len(found.parts), found.facts.details["messages"]) == (10, 1000)
    assert "1000. no 999" in found.text
    assert "990 files" in found.shortfalls[0].message

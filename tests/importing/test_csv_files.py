"""CSV files as people really send them."""

import tracemalloc
from pathlib import Path

import pytest

from adapters.importing.csv_files import CsvFile, opened
from adapters.importing.unusable_file import UnusableFile
from services.importing import Problem

COLUMNS, REQUIRED = ("number", "name", "note"), ("number", "name")


def records(folder: Path, content: bytes) -> list[tuple[int, tuple[str, ...] | str]]:
    """Each record's line with its cells, or with what is wrong."""
    path = folder / "file.csv"
    path.write_bytes(content)
    with opened(path, COLUMNS, REQUIRED) as file:
        return [
            (each.line, each.cells.wrong if isinstance(each.cells, Problem) else tuple(each.cells.values()))
            for each in file
        ]


def refusal(path: Path) -> str:
    with pytest.raises(UnusableFile) as caught, opened(path, COLUMNS, REQUIRED):
        pass
    return str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        "number,name\n1,Köln\n2,Bonn\n".encode(),
        b"\xef\xbb\xbf" + "number,name\n1,Köln\n2,Bonn\n".encode(),
        "number,name\r\n1,Köln\r\n2,Bonn\r\n".encode(),
        "number;name\r\n1;Köln\r\n2;Bonn\r\n".encode(),
        "number\tname\n1\tKöln\n2\tBonn\n".encode(),
        '"number","name"\n"1","Köln"\n"2",Bonn'.encode(),
        "Number, NAME \n 1 ,Köln \n2,\N{NO-BREAK SPACE}Bonn".encode(),
    ],
    ids=["plain", "bom", "crlf", "semicolons", "tabs", "quoted, no last line break", "spaces and capitals"],
)
def test_every_usual_way_to_write_a_file_is_read_alike(tmp_path: Path, content: bytes) -> None:
    assert records(tmp_path, content) == [(2, ("1", "Köln")), (3, ("2", "Bonn"))]


def test_a_semicolon_file_may_have_commas_in_its_cells(tmp_path: Path) -> None:
    assert records(tmp_path, b"number;name\n1;a, b, c\n") == [(2, ("1", "a, b, c"))]


def test_a_cell_may_have_line_breaks_and_lines_are_counted_on(tmp_path: Path) -> None:
    content = b'number,name\n1,"two\r\nlines, ""quoted"""\n\n2,x\n'
    assert records(tmp_path, content) == [(2, ("1", 'two\r\nlines, "quoted"')), (5, ("2", "x"))]


def test_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b"note,name,number\nn,x,1\n")
    with opened(path, COLUMNS, REQUIRED) as file:
        assert [each.cells for each in file] == [{"note": "n", "name": "x", "number": "1"}]


def test_lines_without_anything_in_them_are_no_rows(tmp_path: Path) -> None:
    assert records(tmp_path, b"number,name\n\n,\n;;;\n1,x\n,,,,\n") == [
        (4, "has 1 cells where the first line has 2"),
        (5, ("1", "x")),
    ]


def test_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    assert records(tmp_path, b"number,name") == []


def test_latin_1_bytes_stay_in_their_cell(tmp_path: Path) -> None:
    assert records(tmp_path, b"number,name\n1,K\xf6ln\n2,x\n") == [(2, ("1", "K\udcf6ln")), (3, ("2", "x"))]


def test_nul_bytes_stay_in_their_cell(tmp_path: Path) -> None:
    assert records(tmp_path, b"number,name\n1,a\0b\n2,x\n") == [(2, ("1", "a\0b")), (3, ("2", "x"))]


def test_too_few_and_too_many_cells_cost_only_their_row(tmp_path: Path) -> None:
    content = b"number,name\n1\n2,x,y\n3,x\n"
    assert records(tmp_path, content) == [
        (2, "has 1 cells where the first line has 2"),
        (3, "has 3 cells where the first line has 2"),
        (4, ("3", "x")),
    ]


@pytest.mark.parametrize("rest", [b"2,x\n3,y\n", b'2,"x"\n3,"y"\n', b'"2",x\n3,"y"\n', b"2,x\n3,y"])
def test_a_quote_that_is_never_closed_costs_only_its_row(tmp_path: Path, rest: bytes) -> None:
    found = records(tmp_path, b'number,name\n1,"open\n' + rest)
    assert found[0] in {(2, "has a quote in the wrong place"), (2, "has 3 cells where the first line has 2")}
    assert found[1:] == [(3, ("2", "x")), (4, ("3", "y"))]


def test_an_open_quote_before_many_rows_costs_only_its_row(tmp_path: Path) -> None:
    rows = b"".join(b"%d,x\n" % each for each in range(1000))
    found = records(tmp_path, b'number,name\n1,"open\n' + rows)
    assert found[0] == (2, "has a quote in the wrong place")
    assert found[1:] == [(line + 3, (str(line), "x")) for line in range(1000)]


def test_a_quote_within_a_cell_costs_only_its_row(tmp_path: Path) -> None:
    content = b'number,name\n1,"Foo" GmbH\n2,x\n'
    assert records(tmp_path, content) == [(2, "has a quote in the wrong place"), (3, ("2", "x"))]


@pytest.mark.parametrize("size", [64 * 1024, 128 * 1024, 1_000_000])
def test_a_huge_line_costs_only_its_row(tmp_path: Path, size: int) -> None:
    content = b"number,name\n1," + b"a" * size + b"\n2,x\n"
    assert records(tmp_path, content) == [(2, "is longer than 64 KiB"), (3, ("2", "x"))]


def test_a_huge_line_within_quotes_is_given_up(tmp_path: Path) -> None:
    content = b'number,name\n1,"a\n' + b"a" * 100_000 + b'"\n2,x\n'
    assert records(tmp_path, content) == [
        (2, "has a quote in the wrong place"),
        (3, "is longer than 64 KiB"),
        (4, ("2", "x")),
    ]


def test_a_huge_last_line_without_an_end_is_given_up(tmp_path: Path) -> None:
    assert records(tmp_path, b"number,name\n1," + b"a" * 100_000) == [(2, "is longer than 64 KiB")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"number\n1\n", "has no column name"),
        (b"number,name,name\n1,x,y\n", "has the column name twice"),
        (b"number,name,colour\n1,x,y\n", "has unknown columns (number 3)"),
        (b"number,name,\n1,x,\n", "has unknown columns (number 3)"),
        (b"1,Anna Weber\n", "does not name its columns"),
        (b"\n\nnumber,name\n", "does not name its columns"),
        (b'"number,name\n1,x\n', "does not name its columns"),
        (b"number|name\n1|x\n", "does not name its columns"),
        (b"a" * 100_000, "does not name its columns"),
        ("number,name\n".encode("utf-16"), "is UTF-16"),
        (b"\0\0\0\0", "does not name its columns"),
    ],
)
def test_a_file_whose_first_line_is_wrong_is_not_begun(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    said = refusal(path)
    assert says in said
    assert "Anna" not in said, "where there is no header, the first line is somebody's data"
    assert "colour" not in said


def test_a_path_that_is_not_there_or_a_folder_is_said(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "nowhere.csv")
    assert "is a folder" in refusal(tmp_path)
    assert "can't be one" in refusal(tmp_path / "a\0b")


def test_a_name_that_is_no_text_can_be_said(tmp_path: Path) -> None:
    assert refusal(tmp_path / "K\udcf6ln.csv").encode()


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"

    def peak(rows: int) -> int:
        path.write_bytes(b"number,name\n" + b"".join(b"%d,a name of some length\n" % each for each in range(rows)))
        with opened(path, COLUMNS, REQUIRED) as file:
            tracemalloc.start()
            assert sum(1 for _ in file) == rows
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        return most

    assert peak(20_000) < 2 * peak(1_000)


def test_how_far_the_file_is_read_is_known(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b"number,name\n1,x\n2,y\n")
    with opened(path, COLUMNS, REQUIRED) as file:
        assert isinstance(file, CsvFile)
        list(file)
        assert file.bytes_read == file.size == 20

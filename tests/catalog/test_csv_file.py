"""Catalogue files: what is read, what is written, and the sentence for every mistake."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import catalogue, csv_file, flavor

HEAD = "name,vcpus,memory_gib,hourly_eur"
PRICE_HELP = "write euro per hour such as 0.0512, or nothing when it is not known"
NAME_HELP = 'use letters, digits, "-", "_" and ".", at most 63, with a letter or digit at both ends'


def problems(text: str) -> list[str]:
    with pytest.raises(csv_file.CatalogueError) as caught:
        csv_file.parse(text, "my.csv")
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def test_smallest_file():
    """Four columns make a flavor; the rest follows from name and size, or is unknown."""
    [made] = csv_file.parse(f"{HEAD}\nb3-8,2,8,0.0512\n", "my.csv").values()

    assert made == flavor.make("b3-8", 2, 8, hourly_micro_eur=51_200, nvme_gib=None)
    assert (made.category, made.generation, made.disk_gib, made.monthly_micro_eur) == ("general", 3, None, None)
    assert made.mks == "listed"


def test_columns_in_any_order_and_unknown_ones():
    """Order does not matter, further columns and blanks around cells are ignored, empty lines are passed over."""
    text = 'note,hourly_eur,memory_gib,name,vcpus\n\n"a, b", 0.0512 , 8 ,b3-8,2\n,,,,\n'

    assert list(csv_file.parse(text, "my.csv")) == ["b3-8"]


def test_byte_order_mark_and_windows_line_ends(tmp_path):
    """Files as spreadsheets write them."""
    file = tmp_path / "my.csv"
    file.write_bytes(f"\ufeff{HEAD}\r\nb3-8,2,8,0.0512\r\n".encode())

    assert list(catalogue.load(file).flavors) == ["b3-8"]


def test_empty_price_is_unknown_and_zero_is_free():
    """Nothing written means that no price is known; a written zero is believed."""
    made = csv_file.parse(f"{HEAD}\na1-8,2,8,\na1-9,2,8,0\n", "my.csv")

    assert [each.hourly_micro_eur for each in made.values()] == [None, 0]


def test_all_columns():
    """Optional columns of sizes, zones and quantities that go before the model."""
    text = (
        f"{HEAD},category,generation,disk_gib,gpu_model,gpus,nvme_gib,bandwidth_mbps,monthly_eur,monthly_billable,"
        "unavailable_zones,capacity_memory,allocatable_cpu,allocatable_memory,allocatable_pods\n"
        "x1-16,4,16,0.1,odd,7,100,NVIDIA X 16GB,2,300,1000,20.5,yes,eu-west-par-a eu-west-par-b,15Gi,3900m,14Gi,64\n"
    )
    [made] = csv_file.parse(text, "my.csv").values()

    assert (made.category, made.generation, made.disk_gib, made.nvme_gib, made.bandwidth_mbps) == (
        "odd",
        7,
        100,
        300,
        1000,
    )
    assert (made.gpus, made.gpu_model, made.monthly_micro_eur, made.monthly_billable) == (
        2,
        "NVIDIA X 16GB",
        20_500_000,
        True,
    )
    assert made.unavailable_zones == {"eu-west-par-a", "eu-west-par-b"}
    assert made.capacity["memory"] == 15 * 1024**3
    assert (made.allocatable["cpu"], made.allocatable["memory"], made.allocatable["pods"]) == (3900, 14 * 1024**3, 64)
    assert made.allocatable["nvidia.com/gpu"] == 2


def test_capacity_alone_moves_allocatable():
    """A measured capacity still has MKS's reservation taken off."""
    [made] = csv_file.parse(f"{HEAD},capacity_memory\nb3-8,2,8,0.0512,7938364Ki\n", "my.csv").values()

    assert made.allocatable["memory"] == 6054204 * 1024


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (",2,8,0.1", "column name: empty: write the flavor's name, such as b3-8"),
        (
            "b3 8,2,8,0.1",
            f'column name: "b3 8" cannot be a node label: {NAME_HELP}',
        ),
        ("b3-8,,8,0.1", "column vcpus: empty: write a whole number from 1 to 1000000"),
        ("b3-8,0,8,0.1", 'column vcpus: "0" is not a whole number from 1 to 1000000'),
        ("b3-8,two,8,0.1", 'column vcpus: "two" is not a whole number from 1 to 1000000'),
        ("b3-8,2,7.5,0.1", 'column memory_gib: "7.5" is not a whole number from 1 to 1000000'),
        ("b3-8,2,8Gi,0.1", 'column memory_gib: "8Gi" is not a whole number from 1 to 1000000'),
        ("b3-8,2,1000001,0.1", 'column memory_gib: "1000001" is not a whole number from 1 to 1000000'),
        (
            "b3-8,2,8,cheap",
            f'column hourly_eur: "cheap" is not a price: {PRICE_HELP}',
        ),
        (
            "b3-8,2,8,-0.1",
            f'column hourly_eur: "-0.1" is not a price: {PRICE_HELP}',
        ),
        (
            'b3-8,2,8,"0,05"',
            f'column hourly_eur: "0,05" is not a price: {PRICE_HELP}',
        ),
    ],
)
def test_mistakes_in_required_columns(row, sentence):
    """File, line, column, what is wrong, what to write."""
    assert problems(f"{HEAD}\n{row}\n") == [f"my.csv: line 2, {sentence}"]


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("generation", "third", '"third" is not a whole number from 0 to 1000000'),
        ("disk_gib", "-50", '"-50" is not a whole number from 0 to 1000000'),
        ("gpus", "1.5", '"1.5" is not a whole number from 0 to 1000000'),
        ("nvme_gib", "lots", '"lots" is not a whole number from 0 to 1000000'),
        ("bandwidth_mbps", "1G", '"1G" is not a whole number from 0 to 1000000'),
        (
            "monthly_eur",
            "?",
            '"?" is not a price: write euro per month such as 0.0512, or nothing when it is not known',
        ),
        ("monthly_billable", "maybe", '"maybe" is not yes, no or unknown'),
        ("category", "my kind", '"my kind" cannot be a label value: use letters, digits, "-", "_" and "."'),
        ("unavailable_zones", "a/b nova", '"a/b" is not a zone: write names separated by blanks'),
        ("capacity_memory", "7 Gi", '"7 Gi" is not a quantity that is not negative, such as 7938364Ki'),
        ("capacity_memory", "-7Gi", '"-7Gi" is not a quantity that is not negative, such as 7938364Ki'),
        ("allocatable_cpu", "fast", '"fast" is not a quantity that is not negative, such as 1840m'),
        ("allocatable_cpu", "2001m", '"2001m" is more than its vcpus, 2'),
        ("allocatable_memory", "6X", '"6X" is not a quantity that is not negative, such as 6054204Ki'),
        ("allocatable_pods", "many", '"many" is not a quantity that is not negative, such as 110'),
    ],
)
def test_mistakes_in_optional_columns(column, value, what):
    """A cell that cannot be read is never passed over."""
    assert problems(f"{HEAD},{column}\nb3-8,2,8,0.1,{value}\n") == [f"my.csv: line 2, column {column}: {what}"]


def test_more_for_pods_than_there_is():
    """Two cells that contradict each other."""
    text = f"{HEAD},capacity_memory,allocatable_memory\nb3-8,2,8,0.1,6Gi,7Gi\n"

    assert problems(text) == [
        'my.csv: line 2, column allocatable_memory: "7Gi" is more than its capacity_memory, "6Gi"'
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "my.csv: no first line with column names: write name, vcpus, memory_gib, hourly_eur and further columns"),
        (
            "\n",
            "my.csv: no first line with column names: write name, vcpus, memory_gib, hourly_eur and further columns",
        ),
        ("name,vcpus\n", "my.csv: line 1: column memory_gib, hourly_eur is missing: name it in the first line"),
        (
            "name;vcpus;memory_gib;hourly_eur\n",
            "my.csv: line 1: columns are separated by semicolons: separate them by commas",
        ),
        (f"{HEAD},name\n", "my.csv: line 1: column name is named twice: keep one of them"),
        (f"{HEAD}\n", "my.csv: no flavors in this file: write one line per flavor below the column names"),
        (
            f"{HEAD}\nb3-8,2,8,0.1,5\n",
            "my.csv: line 2: 5 fields where the first line names 4 columns: quote fields that contain a comma",
        ),
        (
            f"{HEAD}\nb3-8,2\n",
            "my.csv: line 2: 2 fields where the first line names 4 columns: quote fields that contain a comma",
        ),
        (f'{HEAD}\n"b3-8"x,2,8,0.1\n', "my.csv: line 2: not CSV (',' expected after '\"')"),
        (
            f"{HEAD}\nb3-8,2,8,0.1\nb3-8,2,8,0.2\n",
            'my.csv: line 3, column name: flavor "b3-8" is already on line 2: keep one of them',
        ),
    ],
)
def test_mistakes_in_the_form_of_the_file(text, sentence):
    """Header, fields per line, quotes, duplicates."""
    assert problems(text) == [sentence]


def test_all_mistakes_at_once():
    """Every line and every column is looked at before anything is refused, with the line where a record starts."""
    text = f'{HEAD},note\nb3-8,x,y,z,\n"b3-9",2,9,0.1,"two\nlines"\nb3-10,2\nb3-11,2,0,0.1,\n'

    assert [problem.split(": ")[1] for problem in problems(text)] == [
        "line 2, column vcpus",
        "line 2, column memory_gib",
        "line 2, column hourly_eur",
        "line 5",
        "line 6, column memory_gib",
    ]


def test_endless_mistakes_are_counted():
    """A file that is something else altogether does not flood the terminal."""
    got = problems(HEAD + "\n" + "x\n" * 500)

    assert len(got) == 101
    assert got[-1] == "my.csv: and 400 more mistakes"


def test_files_that_cannot_be_read(tmp_path):
    """Missing, a directory, not text, far too large: one sentence that names the file."""
    binary, large = tmp_path / "binary.csv", tmp_path / "large.csv"
    binary.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    large.write_bytes(b"x" * (csv_file.MAX_BYTES + 1))
    expected = {
        tmp_path / "none.csv": "cannot read this catalogue file: No such file or directory",
        tmp_path: "cannot read this catalogue file: Is a directory",
        binary: "not UTF-8 text (byte 0): save the file as UTF-8 CSV",
        large: "larger than 10 MiB: this is no catalogue of flavors",
    }

    for path, what in expected.items():
        with pytest.raises(catalogue.CatalogueError) as caught:
            catalogue.load(path)
        assert caught.value.problems == [f"{path}: {what}"]


def test_what_is_written_reads_back_equal():
    """The embedded catalogue survives a round trip, measured figures and all."""
    flavors = catalogue.embedded().flavors

    assert csv_file.parse(csv_file.write(flavors.values()), "round trip") == flavors


@given(
    flavor_=st.builds(
        flavor.make,
        name=st.from_regex(r"[a-z][0-9]-[0-9]{1,3}", fullmatch=True),
        vcpus=st.integers(1, 256),
        memory_gib=st.integers(3, 4096),
        category=st.sampled_from(["", "general", "odd"]),
        generation=st.none() | st.integers(0, 9),
        disk_gib=st.none() | st.integers(0, 4000),
        gpu_model=st.sampled_from(["", "NVIDIA L4 24GB", 'a "quoted", name']),
        gpus=st.integers(0, 8),
        nvme_gib=st.none() | st.integers(0, 20_000),
        bandwidth_mbps=st.none() | st.integers(0, 50_000),
        hourly_micro_eur=st.none() | st.integers(0, 10**12),
        monthly_micro_eur=st.none() | st.integers(0, 10**12),
        monthly_billable=st.booleans(),
        mks=st.sampled_from(["listed", "no", "family listed, size unconfirmed"]),
        unavailable_zones=st.frozensets(st.sampled_from(["nova", "eu-west-par-a", "eu-west-par-b"])),
        capacity=st.fixed_dictionaries({}, optional={"memory": st.integers(2**31, 2**40)}),
        allocatable=st.fixed_dictionaries(
            {}, optional={"cpu": st.integers(0, 1000), "memory": st.integers(0, 2**31), "pods": st.integers(0, 500)}
        ),
    )
)
def test_any_flavor_reads_back_equal(flavor_):
    """Whatever a flavor holds, CSV keeps it to the last unit."""
    assert csv_file.parse(csv_file.write([flavor_]), "round trip") == {flavor_.name: flavor_}


def test_the_columns_are_documented():
    """Every column that is read stands in docs/catalogue.md."""
    from tests.catalog.test_catalogue import table_with

    documented = {name.strip(" `") for cells in table_with("column") for name in cells[0].split(",")}

    assert documented == set(csv_file.COLUMNS)

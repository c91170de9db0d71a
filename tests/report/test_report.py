import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from stored_runs import curves_run, limit_run
from sweepjax_cli import app
from tampering import chunks, copied, flipped

from sweepjax.plugins import names
from sweepjax.report import evidence
from sweepjax.report.cells import columns, text, with_error, within
from sweepjax.report.page import report

VOID = ("meta", "img", "br", "link")


class Page(HTMLParser):
    """A page taken apart: every element with its attributes, and every word that is read."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.words, self.inside = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside += [] if tag in VOID else [tag]

    def handle_endtag(self, tag):
        assert self.inside.pop() == tag

    def handle_data(self, data):
        if "style" not in self.inside:
            self.words += data.split()

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self):
        return " ".join(self.words)


SOME = {"figures": ["s_norm_and_margin", "separable_fraction", "svm_geometry", "trajectories"]}
FEW = {"figures": ["separable_fraction"], "reducers": ["separable_fraction"]}


@pytest.fixture
def few(monkeypatch):
    """One figure and one table a report: the others take their time."""
    monkeypatch.setattr(evidence, "names", FEW.get)


@pytest.fixture(scope="module")
def limit(tmp_path_factory):
    return limit_run(tmp_path_factory.mktemp("limit") / "run")


@pytest.fixture(scope="module")
def page(limit):
    """The page of a run with every table that suits it, and some figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "names", lambda kind: SOME.get(kind) or names(kind))
        return Page(report([limit]).html)


@pytest.fixture(scope="module")
def curves(tmp_path_factory):
    """The page of a run with curves, without figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "names", lambda kind: [] if kind == "figures" else names(kind))
        return Page(report([curves_run(tmp_path_factory.mktemp("curves") / "run")]).html)


@pytest.fixture
def here(limit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return copied(limit, Path("run"))


def test_the_page_says_what_was_run_and_that_every_row_is_there(page):
    for words in ("solver limit: S ∞ of inseparable draws", "n 40", "5, of 40 realizations each", "rows, complete 200"):
        assert words in page.text


def test_the_usual_figure_comes_first_and_those_of_other_rows_are_named_with_their_reason(page):
    first, *others = [image["alt"] for image in page.all("img")]
    assert first.startswith("How far S goes below the transition")
    assert [alt[:37] for alt in others] == ["How often random points are separable"]
    assert "Figures that do not suit these rows trajectories these rows have no train_loss" in page.text


def test_every_image_is_part_of_the_page_and_has_a_text_in_its_place(page):
    for image in page.all("img"):
        assert image["src"].startswith(("data:image/svg+xml;base64,", "data:image/png;base64,"))
        assert len(image["alt"]) > 20


def test_nothing_is_fetched_and_no_script_runs(page):
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed"}
    assert all(attributes.get("href", "#").startswith("#") for attributes in page.all("a"))
    (policy,) = [each["content"] for each in page.all("meta") if "http-equiv" in each]
    assert policy.startswith("default-src 'none'")


def test_headings_descend_one_by_one_and_names_of_places_are_unique(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert max(np.diff(levels)) == 1
    places = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(places) == len(set(places))
    assert {each["aria-labelledby"] for _, each in page.elements if "aria-labelledby" in each} <= set(places)


def test_every_table_has_headers_and_scrolls_in_a_place_that_the_keyboard_reaches(page):
    regions = [attributes for _, attributes in page.elements if attributes.get("class") == "scroll"]
    assert len(regions) == len(page.all("table")) >= 3
    assert all(region["tabindex"] == "0" for region in regions)
    assert all(header["scope"] == "col" for header in page.all("th"))


def test_tables_hold_the_rows_against_theory_with_z_scores(page):
    assert re.search(r"chi_square = [\d.]+, chi_square_dof = \d+", page.text)
    assert {"wendel", "theory", "z"} <= set(page.words)


def test_each_figure_and_table_comes_with_the_command_that_repeats_it(page, limit):
    for command in (
        f"sweepjax run {limit}/_sweep.toml -o {limit}",
        f"sweepjax plot {limit} --figure s_norm_and_margin -o s_norm_and_margin.pdf",
        f"sweepjax reduce {limit} separable_fraction -o separable_fraction.csv",
        f"sweepjax verify {limit} --recheck 20",
    ):
        assert command in page.text


def test_provenance_is_what_the_footers_tell(page):
    assert "devices 2" in page.text
    assert re.search(r"JAX \d+\.\d+", page.text)


def test_the_same_rows_give_the_same_page_however_often_they_are_named(few, limit):
    assert report([limit]).html == report([limit, limit]).html


def test_rows_with_curves_are_counted_where_they_are_censored(curves):
    assert "censored on fresh data 12" in curves.text
    assert "Every integration kept its tolerance to the end 24 of 24 rows" in curves.text
    assert "Means at the last recorded time." in curves.text


def test_an_incomplete_run_is_said_to_be_incomplete_with_the_way_on(few, tmp_path):
    made = report([limit_run(tmp_path / "run", stored=4)])
    page = Page(made.html)
    assert made.faulty == 0
    assert "of 200 rows, incomplete" in page.text
    assert f"144 rows are missing; run sweepjax run {tmp_path}/run/_sweep.toml -o {tmp_path}/run again" in page.text


def test_a_run_without_any_row_yet_has_a_page_too(tmp_path):
    page = Page(report([limit_run(tmp_path / "run", stored=0)]).html)
    assert "0 of 200" in page.text
    assert not page.all("img")


def test_uncertified_rows_fail_their_check_and_are_counted_first(few, tmp_path):
    page = Page(report([limit_run(tmp_path / "run", uncertified=1)]).html)
    assert "failed Every row is certified 195 of 200 rows" in page.text
    assert "uncertified 5" in page.text


@pytest.mark.parametrize("which", ["flipped", "cut", "foreign"])
def test_a_faulty_file_is_named_left_out_and_ends_in_its_exit_code(which, few, limit, tmp_path, capsys):
    run = copied(limit, tmp_path / "run")
    file = chunks(run)[1]
    content = file.read_bytes()
    damage = {"flipped": flipped(content, 300), "cut": content[:-9], "foreign": b"PAR1"}
    file.write_bytes(damage[which])
    assert app(["report", str(run), "-o", str(tmp_path / "page.html")]) == 5
    text = Page((tmp_path / "page.html").read_text(encoding="utf-8")).text
    assert "failed Every file is whole 14 sound, 1 faulty" in text
    assert f"{file.name} is damaged" in text
    assert "1 faulty files are left out" in capsys.readouterr().err


@pytest.mark.slow
def test_several_runs_have_a_section_each_and_what_fits_is_drawn_together(few, limit, tmp_path):
    more = limit_run(tmp_path / "more run")
    page = Page(report([limit, more, limit]).html)
    assert [each["id"] for each in page.all("section") if "id" in each] == ["run-1", "run-2", "together"]
    assert f"sweepjax plot {limit} '{more}' --figure" in page.text


def test_runs_of_other_columns_are_drawn_together_by_no_figure_of_one_table(few, limit, tmp_path):
    page = Page(report([limit, curves_run(tmp_path / "curves")]).html)
    assert [each["id"] for each in page.all("section") if "id" in each] == ["run-1", "run-2"]


def test_text_from_the_rows_is_never_markup(few, limit, tmp_path):
    run = copied(limit, tmp_path / "<b>&run")
    html = report([run]).html
    assert "<b>" not in html
    assert "&lt;b&gt;&amp;run" in html


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("report", "Missing argument 'DIR...'"),
        ("report nowhere", "nowhere holds no sweep"),
        ("report empty", "empty holds no sweep"),
        ("report run -o page.pdf", "'page.pdf'|ends in .html"),
        ("report run -o page", "'page'|ends in .html"),
        ("report run -o nowhere/page.html", "nowhere is no directory"),
        ("report run empty -o page.html", "empty holds no sweep"),
    ],
)
def test_bad_input_is_answered_by_a_sentence_and_writes_nothing(arguments, words, here, capsys):
    Path("empty").mkdir()
    assert app(arguments.split()) == 2
    sentence = capsys.readouterr().err
    assert all(word in sentence for word in words.split("|"))
    assert sorted(path.name for path in Path().iterdir()) == ["empty", "run"]


def test_the_page_is_named_report_unless_told_otherwise(few, here, capsys):
    assert app(["report", "run"]) == 0
    assert capsys.readouterr().out == "report.html\n"
    assert Path("report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.49125, "0.49125"),
        (315000, "315,000"),
        (2400, "2400"),
        (np.nan, "–"),
        (-np.inf, "−∞"),
        (1e12, "1·10¹²"),
        ("a", "a"),
    ],
)
def test_a_number_is_written_as_people_read_it(value, shown):
    assert text(value) == shown


def test_a_value_has_the_digits_of_its_error():
    assert with_error(2.15412, 0.00431) == "2.1541 ± 0.0043"
    assert with_error(2.15412, np.nan) == "2.1541"
    assert with_error(1.23456e8, 4.2e6) == "1.23·10⁸ ± 4.2·10⁶"
    assert within(0.5, 0.41, 0.59) == "0.500 [0.410, 0.590]"
    assert within(1.01562e8, 8.96e5, np.inf) == "1.02·10⁸ [8.96·10⁵, ∞]"
    assert within(0.24512, 0.24512, 0.24512) == "0.24512 [0.24512, 0.24512]"


def test_errors_and_intervals_stand_beside_their_values_and_empty_counts_are_left_out():
    table = pd.DataFrame({"mean": [1.0], "se": [0.1], "reached": [3], "reached_fraction": [0.5]})
    table = table.assign(reached_low=0.4, reached_high=0.6, null=0, nan=[1])
    assert [(each.name, each.texts) for each in columns(table)] == [
        ("mean", ["1.00 ± 0.10"]),
        ("reached", ["3"]),
        ("reached_fraction", ["0.50 [0.40, 0.60]"]),
        ("nan", ["1"]),
    ]


def test_a_z_score_has_its_sign_and_one_digit():
    (shown,) = columns(pd.DataFrame({"z": [1.234, -2.05, -0.001, np.inf]}))
    assert shown.texts == ["+1.2", "−2.0", "0", "∞"]


def test_a_caption_begins_with_a_capital_but_a_symbol_stays():
    assert evidence._noun("Draw the law.") == "The law."
    assert evidence._noun("Draw σ² over λ.") == "σ² over λ."

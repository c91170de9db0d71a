"""`sweepjax explore`: runs on a page with sliders, in a real browser where there is one."""

import json
import re
from itertools import product

import numpy as np
import pandas as pd
import pytest
from stored_runs import CHUNK_ROWS, LIMIT, MACHINE, curves_run, limit_run
from sweepjax_cli import app

import sweepjax as sj
from sweepjax.columns import labels
from sweepjax.explore.binned import binned
from sweepjax.store.rows import scan
from sweepjax.store.store import Store
from sweepjax.sweep.sweep import Sweep
from sweepjax.theory.s_inf import s_inf
from sweepjax.theory.separability import separable_probability

# How far each label of the map is from the middle of the nearest cell, in its own direction.
MIDDLES = """() => {
  const middle = (node, way) => {
    const box = node.getBoundingClientRect();
    return way === 'x' ? box.x + box.width / 2 : box.y + box.height / 2;
  };
  const cells = [...document.querySelectorAll('#map .cell')];
  const labels = [...document.querySelectorAll('#map text')].slice(0, -1);
  return labels.map((label) => {
    const way = label.classList.contains('y') ? 'y' : 'x';
    return [label.textContent, Math.min(...cells.map((cell) => Math.abs(middle(cell, way) - middle(label, way))))];
  });
}"""
PLANE = Sweep().replaced(n=40, lam="0.3:0.7:0.2", sigma="1,2", seed="4,5", realizations=10)


def plane_run(path):
    """A run over two axes, with two seeds."""
    store = Store(path, PLANE, CHUNK_ROWS, MACHINE).create()
    for chunk in PLANE.chunks(CHUNK_ROWS):
        columns = labels(chunk)
        store.write(chunk, columns | {"s_norm": columns["sigma"] + 0.01 * columns["realization"]})
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("explore")
    limit_run(home / "limit")
    curves_run(home / "curves")
    plane_run(home / "plane")
    command = ["explore", *(str(home / name) for name in ("limit", "curves", "plane")), "-o", str(home / "page.html")]
    assert app(command) == 0
    return home


@pytest.fixture(scope="module")
def limit(home):
    return binned(scan([home / "limit"]), "limit")


def column(data, name):
    return next(each for each in data["columns"] if each["name"] == name)


def test_means_and_errors_are_those_of_the_rows(home, limit):
    found = column(limit, "s_norm")
    groups = sj.read(home / "limit").groupby("lam")["s_norm"]
    means = [np.nan if mean is None else mean for mean in found["mean"]]
    assert means == pytest.approx(groups.mean().tolist(), rel=1e-5, nan_ok=True)
    assert [se for se in found["se"] if se] == pytest.approx([se for se in groups.sem() if not pd.isna(se)], rel=1e-5)


def test_every_row_that_has_a_column_is_in_one_bin(home, limit):
    found = column(limit, "margin")
    kept = sj.read(home / "limit").groupby("lam")["margin"].count()
    assert [sum(counts) for counts in found["counts"]] == found["kept"] == kept.tolist()


def test_theory_is_that_of_the_model_at_each_point(limit):
    assert limit["theory"]["s_norm"][0] == pytest.approx(s_inf(0.3), rel=1e-5)
    assert limit["theory"]["s_norm"][-1] is None


def test_the_law_of_separable_draws_is_wendels(limit):
    exact = [separable_probability(n=40, d=d) for d in (12, 16, 20, 24, 28)]
    assert limit["theory"]["separable"] == pytest.approx(exact, rel=1e-5)


def test_d_is_no_axis_beside_lambda(limit):
    assert [axis["name"] for axis in limit["axes"]] == ["lam"]


def test_curves_are_means_over_time(home):
    data = binned(scan([home / "curves"]), "curves")
    stored = np.stack(sj.read(home / "curves").query("lam == 0.4")["test_accuracy"].tolist()).mean(axis=0)
    place = data["curves"]["names"].index("test_accuracy")
    assert data["curves"]["mean"][0][place] == pytest.approx(stored, rel=1e-5)


def test_a_page_of_many_points_has_fewer_bins(home, monkeypatch):
    monkeypatch.setattr("sweepjax.explore.binned.MOST_NUMBERS", 1000)
    assert column(binned(scan([home / "limit"]), "limit"), "margin")["bins"] < 40


def test_the_page_asks_for_nothing_from_anywhere(home):
    page = (home / "page.html").read_text()
    assert not re.findall(r"(?:src|href)=|url\(|@import|fetch\(|https?://(?!www\.w3\.org/2000/svg)", page)
    data = re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert next(each["rows"] for each in json.loads(data[1])) == [LIMIT.realizations] * LIMIT.points


@pytest.mark.parametrize(
    "arguments", [["nowhere"], ["{empty}"], ["{run}", "-o", "page.pdf"], ["{run}", "-o", "no/page.html"]]
)
def test_what_cannot_be_explored_is_refused(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = {"empty": limit_run(tmp_path / "empty", stored=0), "run": limit_run(tmp_path / "run", stored=1)}
    assert app(["explore", *(each.format(**words) for each in arguments)]) == 2
    assert not [*tmp_path.glob("*.html")]


@pytest.fixture(params=product((1280, 390), ("light", "dark")), ids=str)
def page(request, browser, home):
    """The page at one width and in one colour scheme; it complains of nothing."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    opened, said = context.new_page(), []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto((home / "page.html").as_uri())
    yield opened
    assert not said
    context.close()


@pytest.mark.slow
def test_the_page_never_scrolls_sideways(page):
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.slow
def test_the_arrow_keys_move_a_slider_and_all_pictures_follow(page):
    before = page.inner_text("#histogram-title")
    page.focus("#axis-0")
    page.keyboard.press("ArrowLeft")
    assert "lam 0.4" in page.inner_text("#where")
    assert page.inner_text("#histogram-title") != before
    assert "lam=0.4" in page.inner_text("#command")


@pytest.mark.slow
def test_a_point_that_is_clicked_is_shown(page):
    page.locator("#curve .dot").last.click()
    assert "lam 0.7" in page.inner_text("#where")


@pytest.mark.slow
def test_two_axes_have_a_map_whose_cells_can_be_clicked(page):
    page.select_option("#run", "2")
    assert page.locator("#map .cell").count() == 6
    page.locator("#map .cell").last.click()
    assert "lam 0.7, sigma 2" in page.inner_text("#where")


@pytest.mark.slow
def test_each_value_stands_beside_the_middle_of_its_row_or_column_of_the_map(page):
    page.select_option("#run", "2")
    middles = page.evaluate(MIDDLES)
    assert [text for text, *_ in middles] == ["0.3", "0.5", "0.7", "1", "2"]
    assert all(off < 3 for _, off in middles)


@pytest.mark.slow
def test_the_command_draws_the_dataset_of_the_row_again(page):
    page.select_option("#run", "2")
    page.select_option("#seed", "1")
    page.fill("#realization", "3")
    told = page.inner_text("#command").splitlines()[1].removeprefix("data = sj.dataset(dict(").removesuffix("))")
    row = dict(part.split("=") for part in told.split(", "))
    assert (row["seed"], row["realization"], row["n"]) == ("5", "3", "40")
    values = {name: json.loads(text) for name, text in row.items()}
    assert sj.dataset(values).x.shape == (40, values["d"])


@pytest.mark.slow
def test_curves_are_shown_where_there_are_any(page):
    assert page.locator("#time-figure").is_hidden()
    page.select_option("#run", "1")
    assert page.locator("#time .line").count() == 1

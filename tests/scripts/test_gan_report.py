#!/usr/bin/env python3
"""The page of gan_train --report in a headless Chromium: nothing on the console, no section empty, every figure the JSON's, names that
would be markup shown as text, readable without its script. Skipped where Chromium is not installed.

usage: test_gan_report.py GAN_TRAIN [LIAR]   ($TEST_PART: one of the functions below alone)
"""
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import browser
import gan_runs
import page_records
from test_gan_files import make_pictures

FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
SECTIONS = ["verdict", "variants", "timeline", "difference", "times", "graphs", "losses", "samples", "batches-section", "code", "raw"]
# What would run or end an element, and a byte that is no text.
HOSTILE = b"<script>document.title='run'</script>\"'&amp;<img src=x onerror=alert(1)>\xe4"
SHOWN = HOSTILE.decode("ascii", errors="ignore") + "\\xE4"

program = None
liar = None
folder = None
chromium = None


def make(*words, status=0, data=("--data", "ring"), **variables):
    """Runs with a page and the JSON beside it; what it wrote."""
    done, _, err = gan_runs.run(
        program, *data, "--batch", "16", "--model", "mlp", *([] if "dcgan" in words else ["--hidden", "16"]), "--quiet", "--report", "page.html", "--json", "page.json", *words, folder=folder, **variables
    )
    assert done == status, (words, done, err)
    return json.loads((folder / "page.json").read_text())


def at(figures, pointer):
    for key in pointer.split("/")[1:]:
        figures = figures[int(key) if isinstance(figures, list) else key]
    return figures


def worked_out(figures, source):
    """What a figure's source stands for: "/a/b", "/a - /b", "/a / /b"."""
    words = source.split(" ")
    values = [at(figures, word) for word in words[::2]]
    if len(words) == 1:
        return values[0]
    return values[0] - values[1] if words[1] == "-" else values[0] / values[1]


def says(text, value):
    """Whether a text shows that number: as it is, in MiB or in percent, rounded to its digits."""
    number = re.search(r"-?\d+(?:\.(\d+))?(?:e([+-]\d+))?", text)
    rounding = 0.5000001 * 10.0 ** (int(number[2] or 0) - len(number[1] or ""))
    shown = float(number[0])
    # Whole numbers may be rounded to four digits.
    return any(abs(shown - v) <= max(rounding, 0 if number[1] else 5e-4 * abs(v)) for v in (value, value / 2**20, 100 * value))


def check_figures(figures):
    found = chromium.evaluate(
        "[...document.querySelectorAll('data')].map(d => ({value: d.value, from: d.dataset.from || '', text: d.textContent,"
        " where: d.closest('section').id}))"
    )
    for one in found:
        assert one["from"] or one["where"] not in ("verdict", "variants"), one
        if not one["from"]:
            continue
        value = worked_out(figures, one["from"])
        exact = isinstance(value, int)
        assert float(one["value"]) == value if exact else math.isclose(float(one["value"]), value, rel_tol=1e-7, abs_tol=1e-12), (one, value)
        assert says(one["text"], value), (one, value)
    return [one for one in found if one["from"]]


def check_page(figures, width=1000, dark=False):
    """Opens the page; what it shows is whole."""
    chromium.open(folder / "page.html", width, dark)
    assert chromium.complaints() == []
    assert chromium.evaluate("document.documentElement.scrollWidth") <= width, width
    texts = chromium.evaluate("Object.fromEntries([...document.querySelectorAll('main > section')].map(s => [s.id, s.innerText]))")
    assert list(texts) == SECTIONS, list(texts)
    for section, text in texts.items():
        heading, _, rest = text.strip().partition("\n")
        assert heading and len(rest.strip()) > 20, (section, text)
    links = chromium.evaluate("[...document.querySelectorAll('nav a')].map(a => a.hash.slice(1))")
    assert links == SECTIONS, links
    assert json.loads(chromium.evaluate("document.getElementById('figures').textContent")) == figures
    unnamed = "[...document.querySelectorAll(':not(svg) > svg')].filter(s => !s.ariaHidden && !s.ariaLabel && !s.querySelector('title')).length"
    assert chromium.evaluate(unnamed) == 0
    return check_figures(figures), texts


def comparison_is_whole():
    figures = make("--compare", "--steps", "4")
    shown, texts = check_page(figures)
    cells = [one for one in shown if one["where"] == "variants"]
    assert len(cells) >= 5 * len(figures["variants"]) and any(one["where"] == "verdict" for one in shown)
    for variant in figures["variants"]:
        assert variant["name"] in texts["variants"] and (variant["error"] or "") in texts["variants"], variant["name"]
    for line in figures["summary"].values():
        assert line in texts["verdict"], line
    mistake_has_its_line(figures)
    for width in (400, 1600):
        for dark in (False, True):
            check_page(figures, width, dark)
    assert (folder / "page.html").stat().st_size < 1_000_000


def mistake_has_its_line(figures):
    """The length of polluted's gradient of G is named beside detach's, which is another."""
    said = chromium.evaluate("[...document.querySelectorAll('#pollution data')].map(d => [d.dataset.from, Number(d.value)])")
    where = {variant["name"]: f"/variants/{i}/" for i, variant in enumerate(figures["variants"])}
    want = [where["polluted"] + "g_gradient_norm", where["detach"] + "g_gradient_norm", where["polluted"] + "weights/max_abs_diff"]
    assert [source for source, _ in said] == want, said
    assert said[0][1] != said[1][1] and said[2][1] > 0
    row = chromium.evaluate("[...document.querySelectorAll('#table tbody tr')].find(tr => tr.cells[0].firstChild.textContent === 'polluted').innerText")
    assert f"{said[0][1]:.4g}" in row, row


def check_records(figures, predicted=""):
    records = page_records.of_page(folder / "page.html")
    for variant in figures["variants"]:
        record = records["records"][variant["name"]]
        now = page_records.by_role(record, records["roles"])
        sums = [sum(roles.values()) for roles in now]
        assert max(sums) == variant[predicted + "peak_live_bytes"] == sums[record["peak"]], variant["name"]
        assert now[record["peak"]] == variant[predicted + "peak_by_role"], variant["name"]
        assert sums[0] == sums[-1] or variant["name"] in ("naive", "stale"), variant["name"]
    return records


def check_graph_alone():
    """Of retain_graph the discriminator's graph of the fake batch is drawn, with the fakes that it saves, and nothing else: what is not
    drawn is gradients of its backward."""
    panel = "document.querySelector('.panel-retain_graph')"
    drawn = chromium.evaluate(f"[...{panel}.querySelectorAll('.timeline .areas path')].map(p => p.getAttribute('class'))")
    assert drawn == ["role-saved"], drawn
    rows = "[...%s.querySelectorAll(':scope > %s tbody tr')].map(tr => [...tr.cells].map(td => td.textContent))"
    listed = chromium.evaluate(rows % (panel, ".wide"))
    fakes = {row[0] for row in listed if row[3].startswith("G forward")}
    assert len(listed) >= 8 and len(fakes) <= 1
    assert all(row[3].startswith("D fake forward") or row[0] in fakes for row in listed), listed
    passing = chromium.evaluate(rows % (panel, "details"))
    assert passing and all(row[0].startswith(("gradient by", "workspace")) and row[3] == "D fake backward" for row in passing), passing


def check_differences(words):
    """What retain_graph has alive beside detach at its peak is the difference of the peaks; where that is not so both instants are named."""
    chromium.open(folder / "page.html")
    panels = chromium.evaluate(
        "[...document.querySelectorAll('#difference .panel')].map(p => ({more: p.querySelector('data[id]')?.value, id: p.querySelector('data[id]')?.id,"
        " peaks: p.querySelector('data[data-from]')?.value, text: p.textContent}))"
    )
    assert len(panels) == 10
    for panel in panels:
        if "id" in panel:
            equal = float(panel["more"]) == float(panel["peaks"])
            assert ("to the byte" if equal else "own peak lies in") in panel["text"], panel["text"]
            assert equal or panel["id"] != "more-retain_graph" or "wgan_gp" in words, panel["text"]
    if "wgan_gp" not in words:
        check_graph_alone()


def choices_show_their_panels():
    chromium.open(folder / "page.html", script=False)
    for section in ("difference", "graphs", "code"):
        inputs = f"[...document.querySelectorAll('#{section} .choices > input')]"
        shown = f"[...document.querySelectorAll('#{section} .choices > .panel')].map(p => p.checkVisibility())"
        n = chromium.evaluate(inputs + ".length")
        assert n >= 10
        for i in range(n):
            chromium.evaluate(f"{inputs}[{i}].checked = true")
            assert chromium.evaluate(shown) == [k == i for k in range(n)], (section, i)


def graphs_say_what_is_released():
    chromium.open(folder / "page.html")
    pictures = chromium.evaluate(
        "Object.fromEntries([...document.querySelectorAll('#graphs .choices > label')].map((label, i) => [label.textContent, Object.fromEntries("
        "[...document.querySelectorAll('#graphs .panel')[i].querySelectorAll('.graph')].map(g => [g.querySelector('figcaption').firstChild.textContent.trim(),"
        " {boxes: [...g.querySelectorAll('.node')].map(n => [n.querySelector('b').textContent, n.className]), error: g.querySelector('.fails:not(li)')?.textContent"
        " ?? ''}]))]))"
    )

    def states(variant, when, network):
        return [kind.split()[-1] for name, kind in pictures[variant][when]["boxes"] if name.startswith(network + ".")]

    before, behind, fakes, last = "before D's backward of the fake batch", "behind D's backward of the fake batch", "behind it: the graph of the fakes", "before G's backward"
    assert states("detach", before, "G") == [] and set(states("detach", behind, "D")) == {"released"}
    assert set(states("detach", fakes, "G")) == {"node-g"}
    assert set(states("retain_graph", behind, "G")) == {"node-g"} and set(states("retain_graph", behind, "D")) == {"node-d"}
    assert "released" in states("naive", behind, "G") and "released" in states("recompute", fakes, "G")
    assert states("no_grad", fakes, "G") == [] and "node-g" in states("no_grad", last, "G")
    errors = {variant["name"]: variant["error"] for variant in json.loads((folder / "page.json").read_text())["variants"]}
    for variant, network in (("naive", "G"), ("stale", "D")):
        (failing,) = [name for name, kind in pictures[variant][last]["boxes"] if kind.endswith("fails")]
        said = pictures[variant][last]["error"]
        assert failing.startswith(network + ".") and failing in said, (failing, said)
        op, _, reason = said.removeprefix("Backward fails at ").partition(" in " + failing + ": ")
        assert errors[variant].startswith(op + ": ") and reason in errors[variant], (said, errors[variant])
    assert all(not picture["error"] for name in errors if name not in ("naive", "stale") for picture in pictures[name].values())


def times_are_of_phases():
    """Each phase's launches add up to a step's; the differences of weights are 0 where the bits are detach's."""
    figures = json.loads((folder / "page.json").read_text())
    for variant in figures["variants"]:
        if variant["status"] == "error":
            continue
        assert sum(phase["launches"] for phase in variant["times"]) == variant["launches_per_step"], variant["name"]
        assert all(phase["device_ms"] > 0 for phase in variant["times"]), variant["name"]
        differences = variant.get("max_abs_diff_by_step")
        assert (differences is None) == (variant["name"] in ("detach", "one_stage")), variant["name"]
        if differences:
            assert len(differences) == figures["steps"] and differences[-1] == variant["weights"]["max_abs_diff"], variant["name"]
            assert all(differences) if variant["name"] == "polluted" else not any(differences), variant["name"]


def loops_are_code():
    """Each variant's loop, put back in the place of all variants', compiles; PyTorch's parses."""
    root = pathlib.Path(__file__).resolve().parents[2]
    sys.path.insert(0, str(root / "apps/gan_train/report"))
    import loops_html

    source = (root / "apps/gan_train/step.c").read_text()
    loops = loops_html.c_loops(source)
    names = [variant["name"] for variant in json.loads((folder / "page.json").read_text())["variants"]]
    assert list(loops) == names
    assert set(names) <= set(loops_html.torch_loops((root / "apps/gan_train/report/loops.py").read_text()))
    begin = source.index("/* What a report shows of the graph")
    helpers = re.sub(r"^/\* \[loop \*/\n.*?^/\* loop\] \*/\n", "", source[begin:], flags=re.M | re.S)
    for name, loop in loops.items():
        assert "how->" not in loop and "TRUE" not in loop and "FALSE" not in loop, (name, loop)
        helpers_first = source[source.index('#include "one_stage.h"'):begin] + helpers[:helpers.index("/* ---- a step, and its parts")]
        (folder / "loop.c").write_text(helpers_first + loop + "\n")
        words = ["cc", "-std=c11", "-fsyntax-only", "-Werror=implicit", "-w", f"-I{root}/include", f"-I{root}/apps/gan_train", str(folder / "loop.c")]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (name, done.stderr)


def slider_moves():
    chromium.open(folder / "page.html")
    text = "document.getElementById('batch-bars').innerText"
    assert chromium.evaluate("document.getElementById('batch-size').textContent") == "16"
    before = chromium.evaluate(text)
    chromium.evaluate("(s => { s.value = s.max; s.dispatchEvent(new Event('input')); })(document.getElementById('batch'))")
    assert chromium.evaluate("document.getElementById('batch-size').textContent") == "4096"
    assert chromium.evaluate(text) != before and "retain_graph" in before and chromium.complaints() == []


def batches_are_there():
    """Each cell of both tables has a figure, and the slider shows the batch of the run."""
    for table in ("fits", "batches"):
        cells = chromium.evaluate(f"[...document.querySelectorAll('#{table} tbody td')].map(td => td.querySelector('data') !== null)")
        assert len(cells) >= 9 * 4 and all(cells), table
    assert chromium.evaluate("document.getElementById('batch-size').textContent") == "16"


def batches_are_plans():
    """A batch that is said to fit does, and the next one does not; the table says what a plan says."""
    chromium.open(folder / "page.html")
    fits = chromium.evaluate("[...document.querySelector('#fits tbody tr').querySelectorAll('data')].map(d => Number(d.value))")
    assert len(fits) == 4 and fits == sorted(fits)
    peak = chromium.evaluate("document.querySelector('#batches tbody tr:nth-child(5) data').value")
    assert make("--plan", "--variant", "detach", "--batch", "6")["variants"][0]["predicted_peak_live_bytes"] == int(peak)
    # A tensor of 2^31 elements is none.
    reserved = "predicted_peak_reserved_bytes"
    for batch, gib in zip(fits, (4, 8, 16, 24)):
        plan = ("--plan", "--variant", "detach", "--batch")
        assert make(*plan, str(batch))["variants"][0][reserved] <= gib << 30, (gib, batch)
        assert 128 * (batch + 1) >= 2**31 or make(*plan, str(batch + 1))["variants"][0][reserved] > gib << 30, (gib, batch)


def shards_are_told():
    """A run in shards says so; batches are of as many shards, the run's own among them, and each is what a plan says."""
    figures = make("--plan", "--variants", "detach,recompute", "--batch", "40", "--shards", "4")
    _, texts = check_page(figures)
    assert "batch 40 in 4 shards" in texts["verdict"] and "ran in 4 shards" in texts["code"] and "last shard" in texts["graphs"]
    assert chromium.evaluate("document.getElementById('batch-size').textContent") == "40"
    rows = chromium.evaluate("[...document.querySelectorAll('#batches tbody tr')].map(tr => [tr.cells[0], tr.querySelector('data')].map(c => Number(c.value ?? c.textContent)))")
    sizes = [size for size, _ in rows]
    assert sizes == sorted(set(sizes)) and sizes[:3] == [4, 8, 12] and sizes[-1] == 4096 and not any(size % 4 for size in sizes), sizes
    peak = "predicted_peak_live_bytes"
    assert dict(rows)[40] == figures["variants"][0][peak]
    plan = ("--plan", "--variant", "detach", "--shards", "4", "--batch")
    assert make(*plan, "12")["variants"][0][peak] == dict(rows)[12]
    fits = chromium.evaluate("Number(document.querySelector('#fits tbody data').value)")
    assert fits % 4 == 0 and make(*plan, str(fits))["variants"][0]["predicted_peak_reserved_bytes"] <= 4 << 30


def long_steps_have_a_page():
    """Steps of more allocations than can be laid beside each other: the rest of the page is there."""
    figures = make("--plan", "--variants", "detach,inputs", "--batch", "128", "--shards", "128")
    _, texts = check_page(figures)
    assert re.search(r"a step of \d{4,} allocations is too long", texts["difference"]), texts["difference"]


def timelines_add_up():
    pictures = folder / "pictures"
    make_pictures(pictures)
    dcgan = ["--model", "dcgan", "--image-size", "16", "--ngf", "4", "--ndf", "4", "--batch", "4"]
    for data, words in ((("--data", "ring"), []), (("--data", str(pictures)), dcgan), (("--data", "ring"), ["--model", "wgan_gp"])):
        words = [*words, "--compare", "--steps", "6"]
        measured = check_records(make(*words, data=data))
        check_differences(words)
        planned = check_records(make(*words, "--plan", data=data, OCL_ICD_VENDORS=str(folder / "none")), predicted="predicted_")
        assert measured == planned, words


def timelines_can_be_pointed_at():
    make("--variants", "detach,retain_graph", "--steps", "4")
    chromium.open(folder / "page.html")
    said = "document.querySelector('.timeline output').textContent"
    press = "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: '%s', bubbles: true}))"
    assert chromium.evaluate(said) == ""
    chromium.evaluate("document.querySelector('.timeline > svg').focus()")
    first = chromium.evaluate(said)
    for _ in range(4):
        chromium.evaluate(press % "ArrowDown")
    assert chromium.evaluate(said) not in ("", first), first
    for part in ("in D.", "float32 [16", "made in ", "released by the backward of "):
        assert part in first, (part, first)
    chromium.evaluate("document.activeElement.blur(); document.querySelector('.timeline').scrollIntoView()")
    box = chromium.evaluate("(b => [b.x, b.y, b.width, b.height])(document.querySelector('.timeline .areas').getBoundingClientRect())")
    chromium.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0] + 0.2 * box[2], y=box[1] + 0.98 * box[3])
    assert chromium.evaluate(said).startswith("parameters"), chromium.evaluate(said)
    assert chromium.complaints() == []


def default_page_is_small():
    """As long a run as the default's, of a model whose figures take as much room, and of its data where that is there."""
    make("--compare", "--steps", "1000", data=("--data", "fashion-mnist" if FASHION.exists() else "ring"))
    assert (folder / "page.html").stat().st_size < 1_000_000


def tables_sort():
    names = "[...document.querySelectorAll('#table tbody th')].map(th => th.firstChild.textContent)"
    chromium.open(folder / "page.html")
    before = chromium.evaluate(names)
    column = "document.querySelectorAll('#table thead button')[1]"
    peaks = "[...document.querySelectorAll('#table tbody tr')].map(tr => Number(tr.cells[1].querySelector('data').value))"
    chromium.evaluate(column + ".click()")
    assert chromium.evaluate(peaks) == sorted(chromium.evaluate(peaks))
    chromium.evaluate(column + ".click()")
    assert chromium.evaluate(peaks) == sorted(chromium.evaluate(peaks), reverse=True)
    assert sorted(before) == sorted(chromium.evaluate(names))
    assert chromium.evaluate("document.querySelectorAll('#table thead th')[1].ariaSort") == "descending"


def policy_holds():
    chromium.open(folder / "page.html")
    policy = chromium.evaluate("document.querySelector('meta[http-equiv=Content-Security-Policy]').content")
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy, policy
    chromium.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"http://127.0.0.1:9/a.png\"><p style=\"color: red\" id=\"styled\">x</p>');"
        "const s = document.createElement('script'); s.textContent = 'window.ran = true'; document.body.append(s);"
        "fetch('http://127.0.0.1:9/').catch(() => 0)"
    )
    assert chromium.evaluate("window.ran === undefined")
    assert len([text for text in chromium.complaints() if "Content Security Policy" in text]) >= 4, chromium.complaints()


def raw_figures_are_saved():
    """The button's file is the JSON."""
    chromium.open(folder / "page.html")
    saved = chromium.evaluate(
        "new Promise(done => { URL.createObjectURL = blob => { blob.text().then(done); return 'blob:none'; };"
        " HTMLAnchorElement.prototype.click = () => {}; document.getElementById('save-raw').click(); })"
    )
    assert json.loads(saved) == json.loads((folder / "page.json").read_text())


def paper_shows_all():
    """On paper are the tables, that of batch sizes too, the timelines, and no buttons."""
    chromium.open(folder / "page.html")
    chromium.evaluate("dispatchEvent(new Event('beforeprint'))")
    chromium.call("Emulation.setEmulatedMedia", media="print")
    shown = "[...document.querySelectorAll('%s')].map(e => e.checkVisibility())"
    assert all(chromium.evaluate(shown % "#batches td, #table td, #timeline .timeline > svg")) and not any(chromium.evaluate(shown % "#save-raw"))
    chromium.call("Emulation.setEmulatedMedia", media="")


def readable_without_script():
    chromium.open(folder / "page.html", script=False)
    assert chromium.complaints() == []
    shown = chromium.evaluate("[...document.querySelectorAll('button')].filter(b => b.checkVisibility()).length")
    assert shown == 0, shown
    assert chromium.evaluate("document.querySelectorAll('#table tbody tr').length") > 1


def one_variant_and_plans():
    shown, _ = check_page(make("--variant", "inputs", "--steps", "3"))
    assert any(one["where"] == "verdict" for one in shown)
    check_page(make("--variants", "retain_graph,no_grad", "--steps", "2"))
    shown, texts = check_page(make("--plan", "--compare", OCL_ICD_VENDORS=str(folder / "none")))
    batches_are_there()
    assert any(one["where"] == "verdict" for one in shown) and "plan" in texts["verdict"]
    check_page(make("--plan", "--variant", "stale", OCL_ICD_VENDORS=str(folder / "none")))
    # A run that fails, and one that cannot be made at all.
    check_page(make("--variant", "naive", "--steps", "3", status=1))


def hostile_names_are_text():
    name = HOSTILE.replace(b"/", b"\xe4")
    make_pictures(os.path.join(os.fsencode(folder), name))
    variables = {"LD_PRELOAD": liar, "LIE": "name=" + os.fsdecode(HOSTILE)} if liar else {}
    figures = make("--batch", "4", "--image-size", "8", "--steps", "2", "--compare", data=("--data", name), **variables)
    _, texts = check_page(figures)
    assert chromium.evaluate("document.title") != "run" and chromium.evaluate("document.images.length") == 0
    assert figures["data"] in texts["verdict"] and "<script>" in figures["data"] and "\\xE4" in figures["data"]
    assert not liar or (figures["device"]["name"] == SHOWN and SHOWN in texts["verdict"])


def command_repeats():
    words = ["--data", "ring", "--steps", "2", "--variants", "detach,naive", "--seed", "7", "--json", "it's\n\xe4.json"]
    (folder / "page.html").unlink()
    make(*words)
    chromium.open(folder / "page.html")
    command = chromium.evaluate("document.getElementById('command').textContent")
    (folder / "page.html").unlink()
    (folder / "it's\n\xe4.json").unlink()
    status, _, err = gan_runs.run("/bin/bash", "-c", command, folder=folder)
    assert status == 0 and (folder / "page.html").exists() and (folder / "it's\n\xe4.json").exists(), (command, err)


def main():
    global program, liar, folder, chromium
    program = str(pathlib.Path(sys.argv[1]).resolve())
    liar = str(pathlib.Path(sys.argv[2]).resolve()) if len(sys.argv) > 2 else None
    if not browser.found():
        print("skipped: chromium is not installed")
        sys.exit(77)
    parts = [
        comparison_is_whole,
        choices_show_their_panels,
        graphs_say_what_is_released,
        times_are_of_phases,
        loops_are_code,
        tables_sort,
        policy_holds,
        raw_figures_are_saved,
        paper_shows_all,
        readable_without_script,
        slider_moves,
        batches_are_plans,
        shards_are_told,
        long_steps_have_a_page,
        timelines_add_up,
        timelines_can_be_pointed_at,
        one_variant_and_plans,
        hostile_names_are_text,
        command_repeats,
        default_page_is_small,
    ]
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        with browser.Browser() as chromium:
            for part in parts:
                if part is parts[0] or os.environ.get("TEST_PART", part.__name__) == part.__name__:
                    part()
                    print("ok", part.__name__)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

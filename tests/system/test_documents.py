"""The documents: man pages without warnings, links that lead somewhere, every program with its page."""
import glob
import os
import re
import subprocess

import pytest

from sambar import TOP, read

PAGES = sorted(glob.glob(os.path.join(TOP, "docs", "man", "*.[158]")))


@pytest.mark.parametrize("page", PAGES, ids=os.path.basename)
def test_man_pages_have_no_warnings(page):
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", page], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "", done.stdout


def test_each_program_has_a_page():
    names = {os.path.basename(page) for page in PAGES}
    for name in ("master.8", "sambarctl.8", "smtpd.8", "pop3d.8", "queue.8", "router.8", "store.8", "auth.8", "deliver.8", "fetcher.8", "fetch.8", "indexer.8", "sambar.ini.5"):
        assert name in names, name


@pytest.mark.parametrize("document", sorted(glob.glob(os.path.join(TOP, "*.md")) + glob.glob(os.path.join(TOP, "docs", "*.md"))
                                            + glob.glob(os.path.join(TOP, "tests", "*", "*.md"))), ids=os.path.basename)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#]+)\)", read(document).decode()):
        if "://" not in target:
            assert os.path.exists(os.path.join(os.path.dirname(document), target)), target

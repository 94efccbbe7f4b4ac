"""The shipped utilities with real calendar dates, and an installer's own files."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config.utility import profile_file
from agent.config.utility.profile import channels_of, faults_of, profile_of
from agent.config.utility.window import window_of
from drivers.files.faults import ConfigError
from tests.statement.plant import SHIPPED, Site, meter, utc

UTILITIES = (
    "elektroset",
    "eskk-kemerovo",
    "krasnoyarskenergosbyt",
    "mosenergosbyt",
    "nesk-krasnodar",
    "nesko-nizhnevartovsk",
    "regional",
    "sms-account-meter-reading",
    "sms-account-meter-t1-t2",
    "sms-account-t1-t2",
    "tns-energo",
)
BY_25TH = ("2026-02-01", "2026-02-25")


def test_every_named_utility_is_shipped() -> None:
    assert tuple(sorted(SHIPPED)) == UTILITIES


def test_every_shipped_file_says_what_is_known_and_what_the_installer_confirms() -> None:
    for path in profile_file.SHIPPED.glob("*.toml"):
        comment = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
        assert any("installer confirms" in line for line in comment), path
        if not path.stem.startswith("sms-"):
            assert any("Known:" in line for line in comment), path


@pytest.mark.parametrize(
    ("utility", "region", "first", "last", "offset"),
    [
        ("nesk-krasnodar", None, *BY_25TH, "+03:00"),
        ("mosenergosbyt", None, "2026-02-15", "2026-02-20", "+03:00"),
        ("nesko-nizhnevartovsk", None, *BY_25TH, "+05:00"),
        ("krasnoyarskenergosbyt", None, *BY_25TH, "+07:00"),
        ("eskk-kemerovo", None, "2026-02-28", "2026-02-28", "+07:00"),
        ("eskk-kemerovo", "organisation", "2026-02-28", "2026-02-28", "+07:00"),
        ("eskk-kemerovo", "apartment-house", "2026-02-25", "2026-02-27", "+07:00"),
        ("tns-energo", None, *BY_25TH, "+03:00"),
        ("tns-energo", "Воронежская область", "2026-02-22", "2026-02-26", "+03:00"),
        ("tns-energo", "Карелия", *BY_25TH, "+03:00"),
        ("elektroset", None, *BY_25TH, "+00:00"),
        ("regional", None, *BY_25TH, "+00:00"),
        ("regional", "Алтайский край", "2026-02-21", "2026-02-23", "+07:00"),
        ("regional", "Воронежская область", "2026-02-22", "2026-02-26", "+03:00"),
        ("regional", "Забайкальский край", "2026-02-20", "2026-02-23", "+09:00"),
        ("regional", "Ивановская область", "2026-02-21", "2026-02-24", "+03:00"),
        ("regional", "Иркутская область", "2026-02-23", "2026-02-25", "+08:00"),
        ("regional", "Костромская область", "2026-02-23", "2026-02-26", "+03:00"),
        ("regional", "Липецкая область", *BY_25TH, "+03:00"),
        ("regional", "Санкт-Петербург", "2026-02-23", "2026-02-25", "+03:00"),
        ("regional", "Тверская область", "2026-02-15", "2026-02-25", "+03:00"),
        ("regional", "Якутия", "2026-02-01", "2026-02-10", "+09:00"),
        ("sms-account-t1-t2", None, *BY_25TH, "+00:00"),
        ("sms-account-meter-t1-t2", None, *BY_25TH, "+00:00"),
        ("sms-account-meter-reading", None, *BY_25TH, "+00:00"),
    ],
)
def test_the_window_of_a_utility_in_february(
    utility: str, region: str | None, first: str, last: str, offset: str
) -> None:
    window = window_of(SHIPPED[utility].rule_of(meter(region=region)), "2026-02", "UTC")
    assert window.opens == utc(f"{first} 00:00{offset}")
    assert window.closes == utc(f"{last} 00:00{offset}") + timedelta(days=1)


def test_eleven_regions_of_tns_energo() -> None:
    assert len(SHIPPED["tns-energo"].regions) == 11


def test_current_values_are_those_of_the_20th_where_the_utility_asks_for_them() -> None:
    profile = SHIPPED["krasnoyarskenergosbyt"]
    assert window_of(profile.rule, "2026-10", "UTC").reporting == utc("2026-10-20 00:00+07:00")


@pytest.mark.parametrize(
    ("own", "named"),
    [
        (None, {"T1": "T1"}),
        ({"T1": "day"}, {"T1": "T1"}),
        ({"T2": "day"}, {"T1": "T2"}),
        ({"T1": "day", "T2": "night"}, {"T1": "T1", "T2": "T2"}),
        ({"T1": "night", "T2": "day"}, {"T1": "T2", "T2": "T1"}),
        ({"T1": "peak", "T2": "half-peak", "T3": "night"}, {"T1": "T1", "T2": "T3", "T3": "T2"}),
        ({"T1": "day", "T2": "night", "T3": "peak"}, {"T1": "T1", "T2": "T2", "T3": "T3"}),
        ({"T1": "day", "T2": "night", "T3": "half-peak"}, {"T1": "T1", "T2": "T2", "T3": "T3"}),
    ],
)
def test_the_utilitys_names_of_tariffs_go_by_their_meaning(own: dict[str, str] | None, named: dict[str, str]) -> None:
    assert SHIPPED["mosenergosbyt"].named(meter(tariffs=own)) == named
    assert not [key for key, _, _ in faults_of(meter(tariffs=own), SHIPPED) if key == "tariffs"]


@pytest.mark.parametrize(
    ("more", "key", "found", "expected"),
    [
        ({"utility": "mosenergosbit"}, "utility", '"mosenergosbit"', 'did you mean "mosenergosbyt"?'),
        ({"account": "23O100456789"}, "account", '"23O100456789"', "digits"),
        ({"account": None}, "account", "nothing", "an account of digits"),
        ({"utility": "regional", "region": "Якутск"}, "region", '"Якутск"', 'did you mean "Якутия"?'),
        ({"region": "Москва"}, "region", '"Москва"', "nothing: mosenergosbyt has one window for all"),
        ({"tariffs": {"T1": "weekday", "T2": "night"}}, "tariffs", "weekday, night", "single or day, night or day, ni"),
        ({"tariffs": {"T1": "day", "T2": "day"}}, "tariffs", "day, day", "single or day, night"),
        ({"utility": "sms-account-meter-reading"}, "tariffs", "day, night", "what sms-account-meter-reading takes"),
        ({"utility": "eskk-kemerovo", "account": "К-17/2"}, "place", "nothing", "the address"),
    ],
)
def test_a_meter_that_does_not_suit_its_utility_is_a_fault_with_words(
    more: dict[str, Any], key: str, found: str, expected: str
) -> None:
    ((where, stands, may),) = faults_of(meter(**more), SHIPPED)
    assert (where, stands) == (key, found)
    assert expected in may


def test_zeros_before_figures_need_the_meters_digits() -> None:
    base = SHIPPED["sms-account-t1-t2"]
    assert base.sms is not None
    profiles = {"own": replace(base, name="own", sms=replace(base.sms, pad=True))}
    assert [key for key, _, _ in faults_of(meter(utility="own", digits=None), profiles)] == ["digits"]
    assert faults_of(meter(utility="own"), profiles) == []


def test_a_meter_without_account_or_utility_makes_no_statement() -> None:
    assert profile_of(meter(account=None), SHIPPED) is None
    assert profile_of(meter(utility=None), SHIPPED) is None
    assert faults_of(meter(utility=None), SHIPPED) == []


def test_a_channel_without_a_number_or_a_modem_says_what_is_missing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    usable, why = channels_of(SHIPPED["tns-energo"], site.config)
    assert usable == []
    assert [line.split(":")[0] for line in why] == ["sms", "mail"]
    assert 'extends = "tns-energo"' in why[0] and "number" in why[0]
    assert "[mail] to" in why[1]


# ── an installer's own files ─────────────────────────────────────────────


def own(folder: Path, text: str) -> Path:
    (folder / "own.toml").write_text(text, encoding="utf-8")
    return folder


def test_an_own_file_says_only_what_differs(tmp_path: Path) -> None:
    text = 'name = "tns-tula"\nextends = "tns-energo"\nto = 23\n[sms]\nnumber = "+79991234567"\n'
    profile = profile_file.load(own(tmp_path, text))["tns-tula"]
    assert profile.sms is not None
    assert (profile.sms.number, profile.sms.text) == ("+79991234567", "ACCOUNT READING")
    assert profile.rule.last == profile.regions["Карелия"].last == 23
    assert profile.regions["Воронежская область"].last == 26
    assert profile.title == "ТНС энерго"


def test_a_new_region_in_its_own_zone(tmp_path: Path) -> None:
    text = (
        'name = "kld"\nextends = "regional"\n[region."Калининград"]\nzone = "Europe/Kaliningrad"\nfrom = 23\nto = 2\n'
    )
    profile = profile_file.load(own(tmp_path, text))["kld"]
    window = window_of(profile.rule_of(meter(region="Калининград")), "2026-12", "UTC")
    assert (window.opens, window.closes) == (utc("2026-12-23 00:00+02:00"), utc("2027-01-03 00:00+02:00"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('title = "x"\n', "own.toml:1:1: name: found nothing, expected a name of small letters"),
        ('name = "a"\nextends = "tns-enrgo"\n', 'own.toml:2:11: extends: found "tns-enrgo"'),
        ('name = "a"\nextends = "tns-enrgo"\n', 'did you mean "tns-energo"?'),
        ('name = "a"\nextends = "a"\n', "own.toml:2:11: extends"),
        ('name = "tns-energo"\ntitle = "x"\n', 'own.toml:1:8: name: found "tns-energo", expected another name'),
        ('name = "a"\ntitle = "x"\nform = 1\n', "own.toml:3:1: form: found an unknown key"),
        ('name = "a"\ntitle = "x"\nform = 1\n', 'did you mean "from"?'),
        ('name = "a"\ntitle = "x"\nto = 32\n', "own.toml:3:6: to: found 32, expected a day of the month"),
        ('name = "a"\ntitle = "x"\nto = true\n', "own.toml:3:6: to: found true"),
        ('name = "a"\ntitle = "x"\nzone = "Mars/Olympus"\n', 'own.toml:3:8: zone: found "Mars/Olympus"'),
        ('name = "a"\ntitle = "x"\naccount = "["\n', "own.toml:3:11: account"),
        ('name = "a"\ntitle = "x"\nfallback = ["fax"]\n', "own.toml:3:12: fallback"),
        ('name = "a"\ntitle = "x"\nfallback = ["sms"]\n', "own.toml:1:1: sms: found nothing"),
        ('name = "a"\ntitle = "x"\n[sms]\nnumber = "112"\n', "own.toml:3:1: sms.text: found nothing"),
        ('name = "a"\ntitle = "x"\n[sms]\ntext = "T1"\nnumber = "call me"\n', "own.toml:5:10: sms.number"),
        ('name = "a"\ntitle = "x"\n[mail]\nsubject = "a\\nBcc: b"\nbody = "T1"\n', "own.toml:4:11: mail.subject"),
        ('name = "a"\ntitle = "x"\n[mail]\nsubject = "a"\nbody = "T1"\nto = "x@a,y@b"\n', "own.toml:6:6: mail.to"),
        ('name = "a"\ntitle = "x"\n[region.R]\nfirst = 1\n', "own.toml:4:1: region.R.first: found an unknown key"),
        ('name = "a"\ntitle = "x"\nregion = 1\n', "own.toml:3:10: region: found 1"),
        ('name = "a"\ntitle = "x"\nrates = "day"\n', "own.toml:3:9: rates"),
        ('name = "a"\ntitle = "x"\n[[rates]]\nT5 = "day"\n', "own.toml:4:1: rates[1].T5: found an unknown key"),
        ('name = "a"\nextends = "regional"\nsms = 1\n', "own.toml:3:7: sms: found 1, expected a table [sms]"),
        ('name = "a"\ntitle = "x"\nreporting_time = "24:00"\n', "own.toml:3:18: reporting_time"),
        (
            'name = "a"\ntitle = "x"\nreporting_day = 26\n',
            "own.toml:3:1: reporting_day: found a day after the",
        ),
        ('name = "a"\nextends = "krasnoyarskenergosbyt"\nto = 18\n', "a moment before the window closes"),
        (
            'name = "a"\ntitle = "x"\nfrom = 23\nto = 2\n[region.R]\nreporting_day = 10\n',
            "own.toml:6:1: region.R.reporting_day",
        ),
        ("name = ", "own.toml:1:8: found what is not TOML"),
    ],
)
def test_a_fault_in_an_own_file_has_its_place_and_words(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as trouble:
        profile_file.load(own(tmp_path, text))
    assert words in str(trouble.value)


def test_two_files_that_extend_each_other_are_a_fault(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('name = "a"\nextends = "b"\n')
    (tmp_path / "b.toml").write_text('name = "b"\nextends = "a"\n')
    with pytest.raises(ConfigError, match="no profile that extends itself"):
        profile_file.load(tmp_path)


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('name = "a"\ntitle = "x"\nto = 0\nfrom = 99\n')
    (tmp_path / "b.toml").write_text('name = "B"\ntitle = "x"\n')
    with pytest.raises(ConfigError) as trouble:
        profile_file.load(tmp_path)
    assert len(trouble.value.faults) == 3


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a folder that cannot be read"):
        profile_file.load(tmp_path / "nowhere")


SHIPPED_TEXT = (
    (profile_file.SHIPPED / "tns-energo.toml").read_text(encoding="utf-8").replace('"tns-energo"', '"own"', 1)
)
PIECES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ("[", "]", "= ", '"', "\n", "[[rates]]\n", "[sms]\n", "31", "-1", "1.5", "true", "2026-10-01", "[1]")
    ),
)


@pytest.mark.slow
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(SHIPPED_TEXT)), st.integers(0, 30), PIECES)
def test_any_text_is_a_profile_or_faults_with_places(tmp_path: Path, at: int, length: int, piece: str) -> None:
    text = SHIPPED_TEXT[:at] + piece + SHIPPED_TEXT[at + length :]
    (tmp_path / "own.toml").write_text(text, encoding="utf-8", newline="")
    try:
        profiles = profile_file.load(tmp_path)
    except ConfigError as trouble:
        assert all(fault.line >= 1 and fault.expected for fault in trouble.faults)
    else:
        assert set(UTILITIES) < set(profiles)

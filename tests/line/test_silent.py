"""A dead meter must not cost the living ones their round."""

from agent.line.silent import LONGEST_PAUSE, SHARE, Health, TrialBudget


def test_a_meter_counts_as_silent_after_two_rounds_and_three_seconds_not_before() -> None:
    health = Health()
    assert not health.failed(10.0, one_round=2.0)
    assert not health.failed(11.0, one_round=2.0)
    assert health.failed(13.0, one_round=2.0) and health.silent


def test_two_slow_rounds_are_enough() -> None:
    health = Health()
    assert not health.failed(0.0, one_round=30.0)
    assert health.failed(30.0, one_round=30.0)
    assert health.next_trial == 60.0


def test_the_pause_starts_at_one_round_and_grows_by_half_to_five_minutes() -> None:
    health, now, pauses = Health(), 0.0, []
    health.failed(0.0, 4.0), health.failed(4.0, 4.0)
    for _ in range(20):
        pauses.append(health.pause)
        now = health.next_trial
        health.failed(now, 4.0)
    assert pauses[:4] == [4.0, 6.0, 9.0, 13.5]
    assert max(pauses) == LONGEST_PAUSE


def test_the_first_answer_makes_it_normal_again() -> None:
    health = Health()
    health.failed(0.0, 1.0), health.failed(5.0, 1.0)
    health.answered()
    assert not health.silent and not health.failed(6.0, 1.0)


def test_silent_meters_together_keep_to_their_share_of_the_bus() -> None:
    budget, now, spent = TrialBudget(), 0.0, 0.0
    while now < 3600:
        if budget.open(now):
            now += 1.0  # ten dead meters, a second each, all pressing
            spent += 1.0
            budget.spent(now, 1.0)
        else:
            now += 0.1
    assert spent / now <= SHARE * 1.05 <= 0.05

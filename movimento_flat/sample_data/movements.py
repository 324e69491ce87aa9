"""The movements of the sample data, in the order of time: what is bought, paid each month, and paid back.

An amount above zero is paid with the card, and one below zero is paid back, as in the model. So a salary is no
movement: it does not come by card. It shows in what is bought, which is more in the days after those of salaries.
"""

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from operator import itemgetter
from random import Random

from movimento_flat.sample_data.establishments import SUBSCRIPTIONS, TIMES, Establishments
from movimento_flat.sample_data.plan import Plan

#: Moment, card, description, amount. Of what is paid each month the time of day stands instead of the moment.
Movement = tuple[str, int, str, str]

CHUNK = 50_000
#: How busy each month is, January first; each day of a week, Monday first; and the days after a salary's or an advance.
BUSY_MONTHS = (10, 9, 10, 10, 11, 10, 10, 10, 10, 10, 12, 15)
BUSY_WEEKDAYS = (9, 9, 9, 10, 13, 14, 9)
USUAL_DAY, AFTER_SALARY, AFTER_ADVANCE = 10, 13, 11
SALARIES, ADVANCES = range(5, 11), range(20, 23)
#: Days in which the movements of a day become twice as many as in the beginning.
TWICE_AS_BUSY = 3650
SATURDAY = 5

REFUNDS = 0.03
#: Within so many days something is paid back.
DAYS_UNTIL_REFUND = 10
#: Share of the movements that are paid each month, and the days of a month when that may be.
MONTHLY, DAYS_OF_CHARGES = 0.05, 28
DAYS_OF_A_MONTH = 365.25 / 12
#: At most so many different purchases are made, of which each is drawn several times.
PURCHASES = 30_000


class Movements:
    """Draws the movements of a plan."""

    def __init__(
        self, plan: Plan, shops: Establishments, cards: Sequence[int], issued: Sequence[int]
    ) -> None:
        """Args:
        plan: how many movements, in which days.
        shops: where people pay.
        cards: those that are used, in order of their use; those that are issued late are the last, in that order.
        issued: of each of them the day, as an ordinal number; 0 where it lies before the plan's first.
        """
        self._plan = plan
        self._cards = cards
        self._issued = issued
        self._numbers = numbers = Random(f"{plan.seed} movimento")
        self._purchases = shops.purchases(min(PURCHASES, plan.movements))
        days = (plan.end - plan.start).days + 1
        self._per_day = plan.movements / days
        self._charges: dict[int, list[Movement]] = defaultdict(list)
        charges = int(plan.movements * MONTHLY / max(1.0, days / DAYS_OF_A_MONTH))
        old = cards[: bisect_left(issued, plan.start.toordinal())]
        for card in numbers.choices(old, k=charges) if charges else ():
            service, prices = numbers.choice(SUBSCRIPTIONS)
            time = f"0{numbers.randrange(3, 7)}:{numbers.randrange(60):02d}:{numbers.randrange(60):02d}"
            charge = (time, card, service, numbers.choice(prices))
            self._charges[numbers.randint(1, DAYS_OF_CHARGES)].append(charge)

    def chunks(self) -> Iterator[list[Movement]]:
        """Yield all movements, CHUNK at a time."""
        chunk: list[Movement] = []
        waiting: deque[Movement] = deque()
        for day, size in _days(self._plan):
            waiting += self._charges[day.day]
            left = size
            while left:
                taken = min(left, CHUNK - len(chunk))
                charges = [waiting.popleft() for _ in range(min(len(waiting), -(-taken // 2)))]
                chunk += self._of_day(day, charges, taken - len(charges))
                left -= taken
                if len(chunk) == CHUNK:
                    yield self._with_refunds(chunk)
                    chunk = []
        if chunk:
            yield self._with_refunds(chunk)

    def _of_day(self, day: date, charges: list[Movement], bought: int) -> list[Movement]:
        """Return what is paid on a day, in order of the time: the charges, and so many purchases."""
        random, before = self._numbers.random, f"{day} "
        purchases = self._purchases[day.weekday() >= SATURDAY]
        drawn = self._numbers.choices(purchases, k=bought) if bought else []
        movements = [(before + time, card, service, price) for time, card, service, price in charges]
        movements += [
            (before + times[int(TIMES * random())], card, description, amount)
            for (description, amount, times), card in zip(drawn, self._draw_cards(day, bought), strict=True)
        ]
        movements.sort(key=itemgetter(0))
        return movements

    def _draw_cards(self, day: date, count: int) -> list[int]:
        """Return so many of the cards that were issued before a day: the first ones are used most."""
        random, cards, skew = self._numbers.random, self._cards, self._plan.skew
        issued = bisect_left(self._issued, day.toordinal())
        return [cards[int(issued * random() ** skew)] for _ in range(count)]

    def _with_refunds(self, chunk: list[Movement]) -> list[Movement]:
        """Return the movements with some of them replaced: they pay back what was paid a few days before."""
        numbers = self._numbers
        far = int(self._per_day * DAYS_UNTIL_REFUND) + 1
        for place in numbers.sample(range(len(chunk)), k=int(len(chunk) * REFUNDS + numbers.random())):
            earlier = place - numbers.randint(1, far)
            if earlier >= 0 and chunk[earlier][0] < chunk[place][0] and not chunk[earlier][3].startswith("-"):
                _, card, description, amount = chunk[earlier]
                chunk[place] = (chunk[place][0], card, description, f"-{amount}")
        return chunk


def _days(plan: Plan) -> Iterator[tuple[date, int]]:
    """Yield each day of the plan with the number of its movements."""
    days = [plan.start + timedelta(day) for day in range((plan.end - plan.start).days + 1)]
    busy = [_busy(day) * (TWICE_AS_BUSY + number) for number, day in enumerate(days)]
    total, before, made = sum(busy), 0, 0
    for day, share in zip(days, busy, strict=True):
        before += share
        until = plan.movements * before // total
        yield day, until - made
        made = until


def _busy(day: date) -> int:
    salary = AFTER_SALARY if day.day in SALARIES else AFTER_ADVANCE if day.day in ADVANCES else USUAL_DAY
    return BUSY_MONTHS[day.month - 1] * BUSY_WEEKDAYS[day.weekday()] * salary

"""Where the people of the sample data pay: fictitious establishments, what a purchase costs there, and when it happens.

No name is meant to be anybody's: kinds and common words are combined, and some are followed by a city.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

#: How busy each hour of the day is, midnight first.
_MORNING = (0, 0, 0, 0, 1, 4, 12, 16, 14, 9, 6, 5, 5, 4, 4, 6, 9, 12, 9, 5, 2, 1, 0, 0)
_OFFICE = (0, 0, 0, 0, 0, 0, 1, 3, 8, 12, 13, 11, 8, 9, 12, 12, 11, 8, 3, 1, 0, 0, 0, 0)
_SHOPPING = (0, 0, 0, 0, 0, 0, 1, 3, 6, 8, 10, 10, 9, 8, 8, 9, 10, 12, 13, 11, 7, 3, 1, 0)
_MEALS = (1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 4, 14, 20, 15, 5, 2, 2, 3, 7, 13, 15, 11, 6, 3)
_ALWAYS = (3, 2, 1, 1, 1, 2, 4, 6, 7, 7, 7, 7, 8, 8, 7, 7, 8, 9, 9, 9, 9, 8, 7, 5)


@dataclass(frozen=True)
class Kind:
    """A kind of establishment.

    Attributes:
        names: what establishments of this kind are called before their own name.
        working_day, weekend: its share of the purchases, in any unit.
        amount: median of an amount in centavos.
        spread: standard deviation of the amount's logarithm: the larger, the longer the tail.
        hours: how busy each hour is.
        is_local: whether the city stands behind the name.
    """

    names: tuple[str, ...]
    working_day: int
    weekend: int
    amount: int
    spread: float
    hours: tuple[int, ...]
    is_local: bool = True


KINDS = (
    Kind(("Supermercado", "Mercado", "Mercearia", "Hortifruti", "Atacado"), 22, 27, 7500, 0.9, _SHOPPING),
    Kind(("Posto", "Auto Posto"), 12, 11, 12000, 0.5, _ALWAYS),
    Kind(("Farmácia", "Drogaria"), 10, 8, 4200, 0.8, _SHOPPING),
    Kind(("Padaria", "Panificadora", "Confeitaria"), 12, 11, 1500, 0.6, _MORNING),
    Kind(("Restaurante", "Lanchonete", "Churrascaria", "Pizzaria"), 14, 18, 4000, 0.7, _MEALS),
    Kind(("Açougue", "Peixaria"), 4, 6, 6500, 0.6, _SHOPPING),
    Kind(("Transporte", "Táxi", "Estacionamento"), 8, 5, 1400, 0.6, _ALWAYS, is_local=False),
    Kind(("Loja Virtual", "Livraria Virtual"), 6, 6, 9500, 0.9, _ALWAYS, is_local=False),
    Kind(("Calçados", "Modas", "Papelaria", "Ótica", "Brinquedos"), 5, 6, 11000, 0.8, _SHOPPING),
    Kind(("Pet Shop", "Agropecuária"), 3, 3, 8000, 0.8, _OFFICE),
    Kind(("Materiais de Construção", "Ferragens", "Oficina"), 3, 2, 19000, 1.0, _OFFICE),
    Kind(("Clínica", "Laboratório", "Odontologia"), 2, 1, 22000, 0.7, _OFFICE),
    Kind(("Móveis", "Eletrônicos"), 1, 1, 70000, 0.8, _SHOPPING),
    Kind(("Hotel", "Pousada", "Viagens"), 1, 2, 45000, 0.8, _ALWAYS),
)
_OWN_NAMES = (
    "Boa Vista",
    "São José",
    "Santa Rita",
    "Bom Jesus",
    "Central",
    "Avenida",
    "Ideal",
    "Primavera",
    "Três Irmãos",
    "Nova Era",
    "do Povo",
    "da Praça",
    "da Esquina",
    "Bela Vista",
    "Progresso",
    "União",
    "Horizonte",
    "Girassol",
    "Araucária",
    "Pinheiro",
    "Ipê Amarelo",
    "Serra Azul",
    "Rio Claro",
    "Vale Verde",
    "Estrela do Sul",
    "Beira Rio",
    "Alvorada",
    "Bem-Te-Vi",
    "João de Barro",
    "Sol Nascente",
    "Dona Rosa",
    "do Zé",
    "Mãe Preta",
    "Família Unida",
    "Campo Alegre",
    "Bom Gosto",
    "Capricho",
    "Bandeirante",
    "Sabiá",
    "Jequitibá",
)

#: What is paid each month, and the prices in reais that there are.
SUBSCRIPTIONS = (
    ("Filmes em Casa", ("24.90", "39.90", "55.90")),
    ("Música Sem Fim", ("11.90", "21.90", "34.90")),
    ("Academia Corpo em Dia", ("89.90", "119.90", "149.90")),
    ("Telefonia Alô Brasil", ("49.99", "69.99", "99.99")),
    ("Internet Fibra do Vale", ("99.90", "129.90")),
    ("Nuvem de Fotos", ("6.90", "14.90")),
    ("Jornal da Nossa Terra", ("9.90", "29.90")),
    ("Seguro Estrada Tranquila", ("148.37", "212.64", "317.05")),
    ("Plano de Saúde Bem Viver", ("412.58", "689.13", "954.20")),
    ("Escola de Idiomas Mundo Aberto", ("259.00", "349.00")),
)

#: The smallest amount in centavos, and the largest.
_SMALLEST, _LARGEST = 500, 999_999
#: How often a price ends in one of these, and not in any centavos.
_ROUND_PRICES, _ENDINGS = 0.5, (0, 0, 50, 90, 99)
SHOPS = 1500
#: The establishment of rank r has a share like 1 / (r + 3) of what is bought at its kind.
FIRST_RANK = 3
#: Share of those that are called by a surname.
FAMILY_NAMES = 0.3
#: Times of a day that each kind of establishment has.
TIMES = 20_000


class Purchase(NamedTuple):
    """What may be bought.

    Attributes:
        description: the establishment's.
        amount: in reais.
        times: HH:MM:SS at which it may happen, the busy hours more often.
    """

    description: str
    amount: str
    times: Sequence[str]


class Establishments:
    """The establishments of a plan: few are large, and many are small."""

    def __init__(self, families: Sequence[str], cities: Sequence[str], numbers: Random) -> None:
        """Args:
        families: surnames by which some are called.
        cities: where they may be.
        numbers: draws all of them.
        """
        self._numbers = numbers
        shares = [kind.working_day + kind.weekend for kind in KINDS]
        counts = [SHOPS * share // sum(shares) + 1 for share in shares]
        self._shops = [
            _shops(kind, count, families, cities, numbers) for kind, count in zip(KINDS, counts, strict=True)
        ]
        self._times = {hours: _times(hours, numbers) for hours in {kind.hours: None for kind in KINDS}}

    def purchases(self, count: int) -> dict[bool, list[Purchase]]:
        """Return so many purchases from which those of a day are to be drawn, of working days and of weekends."""
        numbers = self._numbers
        kinds = numbers.choices(range(len(KINDS)), [kind.working_day for kind in KINDS], k=count)
        made = []
        for number, (kind, shops) in enumerate(zip(KINDS, self._shops, strict=True)):
            weights = [1 / (rank + FIRST_RANK) for rank in range(len(shops))]
            drawn = numbers.choices(shops, weights, k=kinds.count(number))
            made += [Purchase(shop, _amount(kind, numbers), self._times[kind.hours]) for shop in drawn]
        shares = [KINDS[number].weekend / KINDS[number].working_day for number in sorted(kinds)]
        return {False: made, True: numbers.choices(made, shares, k=count) if count else []}


def _shops(
    kind: Kind, count: int, families: Sequence[str], cities: Sequence[str], numbers: Random
) -> list[str]:
    shops: dict[str, None] = {}
    while len(shops) < count:
        own = numbers.choice(families if numbers.random() < FAMILY_NAMES else _OWN_NAMES)
        parts = (numbers.choice(kind.names), own, *((numbers.choice(cities),) if kind.is_local else ()))
        shops[" ".join(parts)] = None
    return list(shops)


def _times(hours: Sequence[int], numbers: Random) -> list[str]:
    drawn = numbers.choices(range(24), hours, k=TIMES)
    return [f"{hour:02d}:{numbers.randrange(60):02d}:{numbers.randrange(60):02d}" for hour in drawn]


def _amount(kind: Kind, numbers: Random) -> str:
    centavos = min(
        _SMALLEST + round((kind.amount - _SMALLEST) * numbers.lognormvariate(0, kind.spread)), _LARGEST
    )
    if numbers.random() < _ROUND_PRICES:
        centavos = centavos // 100 * 100 + numbers.choice(_ENDINGS)
    return f"{centavos // 100}.{centavos % 100:02d}"

"""Random numbers of a seed, by a twin in Python and by their distribution."""

import numpy as np
import pytest
from keras import ops

from keras_infomax.views import draws

pytestmark = pytest.mark.backends

# Of the generator's authors: key and counter, and what 13 and 20 rounds make of them.
KNOWN = [
    ((0, 0), (0, 0), (0x9D1C5EC6, 0x8BD50731), (0x6B200159, 0x99BA4EFE)),
    ((-1, -1), (-1, -1), (0xFD36D048, 0x2D17272C), (0x1CB996FC, 0xBB002BE7)),
]


def words(values):
    return tuple(int(value) % 2**32 for value in values)


def twin(key, counter, rounds=13):
    """Threefry-2x32 in Python's integers."""
    mask = 2**32 - 1
    key = [k & mask for k in key]
    key.append(key[0] ^ key[1] ^ 0x1BD11BDA)
    x, y = ((c + k) & mask for c, k in zip(counter, key, strict=False))
    for i in range(rounds):
        turn = (13, 15, 26, 6, 17, 29, 16, 24)[i % 8]
        x = (x + y) & mask
        y = ((y << turn | y >> 32 - turn) & mask) ^ x
        if i % 4 == 3:
            k = i // 4 + 1
            x, y = (x + key[k % 3]) & mask, (y + key[(k + 1) % 3] + k) & mask
    return x, y


def tensors(pair):
    return tuple(ops.convert_to_tensor(value, dtype="int32") for value in pair)


@pytest.mark.parametrize(("key", "counter", "thirteen", "twenty"), KNOWN)
def test_threefry_gives_the_known_answers(key, counter, thirteen, twenty):
    key, counter = tensors(key), tensors(counter)
    assert words(draws.threefry(key, counter)) == thirteen
    assert words(draws.threefry(key, counter, 20)) == twenty


def test_uniform_numbers_are_those_of_the_twin():
    found = ops.convert_to_numpy(draws.uniform(draws.checked_seed((7, -2)), 3, 2, 2))
    for row in range(3):
        for place in range(4):
            word, _ = twin((7, -2), (place, row))
            expected = (word >> 8) / 2**24
            assert found[row].ravel()[place] == expected


def test_a_row_does_not_depend_on_the_others():
    seed = draws.checked_seed((3, 5))
    for draw in (draws.uniform, draws.normal):
        few, many = (ops.convert_to_numpy(draw(seed, n, 4, 3)) for n in (2, 50))
        np.testing.assert_array_equal(few, many[:2])


def test_numbers_have_their_distribution():
    seed = draws.checked_seed((0, 1))
    numbers = ops.convert_to_numpy(draws.uniform(seed, 2000, 100)).astype("float64")
    n = numbers.size
    assert numbers.min() >= 0
    assert numbers.max() < 1
    # Four standard errors.
    assert numbers.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * n))
    counts, _ = np.histogram(numbers, 256, (0, 1))
    chi2 = ((counts - n / 256) ** 2 / (n / 256)).sum()
    assert abs(chi2 - 255) < 4 * np.sqrt(2 * 255)
    lagged = np.corrcoef(numbers[:, :-1].ravel(), numbers[:, 1:].ravel())[0, 1]
    assert abs(lagged) < 4 / np.sqrt(n)
    normals = ops.convert_to_numpy(draws.normal(seed, 2000, 100)).astype("float64")
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        error = 4 * np.sqrt(variance / n)
        assert (normals**power).mean() == pytest.approx(moment, abs=error)


def test_derived_seeds_differ():
    seed = draws.checked_seed((3, 0))
    derived = [words(draws.fold_in(seed, number)) for number in range(50)]
    assert len(set(derived)) == 50
    assert derived[7] == twin((3, 0), (7, 2**32 - 1))
    numbers = [
        ops.convert_to_numpy(draws.uniform(draws.fold_in(seed, k), 500))
        for k in range(2)
    ]
    assert abs(np.corrcoef(numbers)[0, 1]) < 4 / np.sqrt(500)


def test_seeds_of_64_bits_are_cut_to_32():
    for seed in ((3, 2**32 + 9), np.array([3, 2**32 + 9]), (3 - 2**32, 9)):
        assert words(draws.checked_seed(seed)) == (3, 9)


@pytest.mark.parametrize("seed", [3, (3,), (0.5, 1), "ab", np.zeros(2), None])
def test_other_seeds_are_refused(seed):
    with pytest.raises(ValueError, match="seed must be two integers"):
        draws.checked_seed(seed)

"""Prints the samples that TestSampleOrderIsFixed expects: the sampler written a
second time, from its documentation. Run: python sampler.py
"""

M = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(x):
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & M
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) & M
    return x ^ x >> 31


def permute(i, n, key):
    half = ((n - 1).bit_length() + 1) // 2
    keys = []
    for _ in range(6):
        key = mix(key + GOLDEN & M)
        keys.append(key)
    while True:
        left, right = divmod(i, 2**half)
        for k in keys:
            left, right = right, left ^ mix(right ^ k) % 2**half
        i = left * 2**half + right
        if i < n:
            return i


def sample(tokens, seq, seed, number):
    windows = (tokens - 1) // seq
    epoch, index = divmod(number, windows)
    base = mix(mix(seed + GOLDEN & M) + epoch & M)
    phase = mix(base + 1 & M) % seq if epoch else 0
    return (phase + permute(index, windows, mix(base)) * seq) % tokens


print([sample(100_001, 100, 1234, 2 * 400 * step + row) for step in range(3) for row in range(2)])

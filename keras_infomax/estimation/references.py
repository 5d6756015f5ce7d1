"""Classical estimates: nearest neighbors, and canonical correlations."""

import math

import numpy as np
from scipy import spatial, special

from keras_infomax.estimation.canonical import Canonical


def ksg(x: np.ndarray, y: np.ndarray, neighbors: int = 3) -> float:
    """The estimate of Kraskov, Stögbauer and Grassberger, in nats.

        psi(k) + psi(rows) - mean(psi(n_x + 1) + psi(n_y + 1))

    with n_x the number of rows nearer in x than the k-th neighbor in (x, y), in the
    maximum norm. It is not a bound. Its bias is small in few dimensions; it is far too
    low for large values or in many dimensions.

    Args:
        x: Float matrix `(rows, columns)`.
        y: Float matrix `(rows, columns)`.
        neighbors: k.

    Reference:
        Kraskov, Stögbauer and Grassberger, 2004, "Estimating Mutual Information",
        equation 8, https://arxiv.org/abs/cond-mat/0305641.
    """
    both = np.hstack([x, y])
    k = min(neighbors, len(x) - 1)
    # The first neighbor is the row itself.
    distances, _ = spatial.cKDTree(both).query(both, k + 1, p=np.inf, workers=1)
    radius = np.nextafter(distances[:, -1], 0)
    counts = [
        spatial.cKDTree(side).query_ball_point(
            side, radius, p=np.inf, return_length=True, workers=1
        )
        for side in (x, y)
    ]
    # The counts include the row itself, which is the + 1.
    means = [np.mean(special.digamma(np.maximum(count, 1))) for count in counts]
    return float(special.digamma(k) + special.digamma(len(x)) - sum(means))


def ksg_error(x: np.ndarray, y: np.ndarray, parts: int = 10) -> float:
    """Standard error of `ksg`, from its estimates on parts of the rows.

    Args:
        x: Float matrix `(rows, columns)`, in random order.
        y: Float matrix `(rows, columns)`.
        parts: Number of parts.

    Reference:
        Holmes and Nemenman, 2019, "Estimation of Mutual Information for Real-Valued
        Data With Error Bars and Controlled Bias", section II B,
        https://arxiv.org/abs/1903.09280.
    """
    parts = min(parts, len(x) // 20)
    if parts < 2:
        return math.nan
    values = [ksg(x[i::parts], y[i::parts]) for i in range(parts)]
    return float(np.std(values, ddof=1) / math.sqrt(parts))


def gaussian(x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """Mutual information of Gaussians with the canonical correlations, and its error.

    For other distributions with Gaussian margins, it is the information in their
    correlations, which is often only a part. It is not a bound for a sample.

    Args:
        x: Float matrix `(rows, columns)`.
        y: Float matrix `(rows, columns)`.
        groups: `(rows,)`, groups of dependent rows.
    """
    fitted = Canonical(x, y)
    left, right = fitted.features(x, y)
    # The influence function of the estimate is the log density ratio of each row.
    ratios = np.sum(left.astype("float64") * right, axis=1)
    ratios -= ratios.mean()
    _, codes = np.unique(groups, return_inverse=True)
    sums = np.bincount(codes, ratios)
    return fitted.mutual_information, float(np.sqrt(np.sum(sums**2)) / len(x))

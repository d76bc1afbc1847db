"""Places on the globe and the distance between them."""

from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

EARTH_RADIUS_KM: Final = 6371.0


def unit_vectors(lat: FloatArray, lon: FloatArray) -> FloatArray:
    """Points on the unit sphere.

    Parameters
    ----------
    lat, lon : float64 arrays of shape (n,), degrees north and east; NaN unknown

    Returns
    -------
    float64 array of shape (n, 3); NaN where either is NaN.
    """
    phi, theta = np.radians(lat), np.radians(lon)
    across = np.cos(phi)
    return np.column_stack([across * np.cos(theta), across * np.sin(theta), np.sin(phi)])


def distance_km(a: FloatArray, b: FloatArray) -> FloatArray:
    """Great-circle distance between unit vectors, R = 6371 km.

    The haversine of the angle is a quarter of the squared chord, so this is the haversine formula
    with its trigonometry done once for each traveller and not for each pair.

    Parameters
    ----------
    a, b : float64 arrays of shape (n, 3), or that broadcast to it

    Returns
    -------
    float64 array of shape (n,), km; NaN where either is unknown.
    """
    x, y, z = a[..., 0] - b[..., 0], a[..., 1] - b[..., 1], a[..., 2] - b[..., 2]
    half_chord = np.sqrt(x * x + y * y + z * z) / 2
    km: FloatArray = 2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(half_chord, 1.0))
    return km

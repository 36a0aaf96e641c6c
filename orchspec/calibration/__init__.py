"""Calibration: profiles from journals and traces, with how well they fit."""

from __future__ import annotations

from orchspec.calibration.calibrate import Calibration, calibrate_sources, calibrated
from orchspec.calibration.evidence import NotCalibrated

__all__ = ["Calibration", "NotCalibrated", "calibrate_sources", "calibrated"]

"""Read by Django for FORMAT_MODULE_PATH: a moment always has its zone."""

DATETIME_FORMAT = "Y-m-d H:i T"
SHORT_DATETIME_FORMAT = DATETIME_FORMAT

"""Networks, transforms and products that families are made of; for jitted code, but for checks."""

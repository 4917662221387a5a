"""Networks, transforms and products that families are made of."""

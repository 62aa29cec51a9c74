"""The exchange of flex-offers between who offers and who receives them (GOFLEX D2.1, 7.2)."""

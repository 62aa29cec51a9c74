"""Whole numbers in a table whose columns are given and whose rows have bounds: a flow."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Table = NDArray[np.int64]


def settle_rows(
    table: Table, lower: Table, upper: Table, row_lower: Table, row_upper: Table
) -> bool:
    """Move units within the columns of a table until each row sums to within its bounds.

    table is changed in place; its cells stay within lower and upper. Returns whether it could be
    done: when any table of whole numbers, or of fractions, with these columns could, it can.
    """
    sums = table.sum(axis=1)
    excess, room = np.maximum(sums - row_upper, 0), np.maximum(row_upper - sums, 0)
    if excess.any() and not _transfer(table, lower, upper, excess, room):
        return False
    sums = table.sum(axis=1)
    spare, want = np.maximum(sums - row_lower, 0), np.maximum(row_lower - sums, 0)
    if want.any():
        _transfer(table, lower, upper, spare, want)
    return not want.any()


def _transfer(table: Table, lower: Table, upper: Table, supply: Table, demand: Table) -> bool:
    """Move as much as possible from rows with a supply to rows with a demand, by Dinic's algorithm.

    Returns whether the whole supply was moved. Both are counted down.
    """
    while _levels_and_push(table, lower, upper, supply, demand):
        pass
    return not supply.any()


@njit(cache=True, nogil=True)
def _levels_and_push(
    table: Table, lower: Table, upper: Table, supply: Table, demand: Table
) -> bool:
    """Find how far each row and column is from a supply, and push along all shortest ways."""
    rows, columns = table.shape
    row_level = np.full(rows, -1, np.int64)
    column_level = np.full(columns, -1, np.int64)
    queue = np.empty(rows, np.int64)
    tail = 0
    for row in range(rows):
        if supply[row] > 0:
            row_level[row] = 0
            queue[tail] = row
            tail += 1
    head = 0
    while head < tail:
        row = queue[head]
        head += 1
        for column in range(columns):
            if column_level[column] >= 0 or table[row, column] <= lower[row, column]:
                continue
            column_level[column] = row_level[row] + 1
            for other in range(rows):
                if row_level[other] < 0 and table[other, column] < upper[other, column]:
                    row_level[other] = row_level[row] + 2
                    queue[tail] = other
                    tail += 1
    pushed = False
    next_column = np.zeros(rows, np.int64)
    next_row = np.zeros(columns, np.int64)
    path_rows = np.empty(rows + 1, np.int64)
    path_columns = np.empty(rows + 1, np.int64)
    for source in range(rows):
        while supply[source] > 0 and row_level[source] == 0:
            depth = 0
            path_rows[0] = source
            while depth >= 0:
                row = path_rows[depth]
                if depth > 0 and demand[row] > 0:
                    amount = min(supply[source], demand[row])
                    for step in range(depth):
                        column = path_columns[step]
                        giver, taker = path_rows[step], path_rows[step + 1]
                        amount = min(amount, table[giver, column] - lower[giver, column])
                        amount = min(amount, upper[taker, column] - table[taker, column])
                    for step in range(depth):
                        column = path_columns[step]
                        table[path_rows[step], column] -= amount
                        table[path_rows[step + 1], column] += amount
                    supply[source] -= amount
                    demand[row] -= amount
                    pushed = True
                    break
                found = -1
                while next_column[row] < columns and found < 0:
                    column = next_column[row]
                    if (
                        column_level[column] == row_level[row] + 1
                        and table[row, column] > lower[row, column]
                    ):
                        while next_row[column] < rows:
                            other = next_row[column]
                            if (
                                row_level[other] == column_level[column] + 1
                                and table[other, column] < upper[other, column]
                            ):
                                found = other
                                break
                            next_row[column] += 1
                    if found < 0:
                        next_column[row] += 1
                if found < 0:
                    row_level[row] = -1  # no way on from here in this round
                    depth -= 1
                else:
                    path_columns[depth] = next_column[row]
                    depth += 1
                    path_rows[depth] = found
    return pushed

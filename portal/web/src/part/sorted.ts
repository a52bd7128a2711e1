import type { Sort } from './DataTable'

/** Rows of a list that the browser holds whole, in the order that was asked for. */
export function sorted<T>(rows: T[], sort: Sort, value: (row: T, key: string) => string | number): T[] {
  const sign = sort.down ? -1 : 1
  return [...rows].sort((a, b) => {
    const x = value(a, sort.key)
    const y = value(b, sort.key)
    return sign * (typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y), 'ja'))
  })
}

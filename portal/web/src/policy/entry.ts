import type { Json, Tree } from '../api/types'
import type { Entry } from './forms'

/** A row's values as they stand in text fields. */
export function typedOf(entries: Entry[], row: Tree | undefined): Record<string, string> {
  const typed: Record<string, string> = {}
  for (const e of entries) {
    const value = row ? row[e.name] : e.start
    typed[e.name] = value === undefined || value === null ? '' : Array.isArray(value) ? value.join(' ') : String(value)
  }
  return typed
}

/** Whether what is typed fits the entry; the code of what does not. */
export function wrongWith(e: Entry, typed: string): string {
  const text = typed.trim()
  if (!text) return e.required ? 'missing' : ''
  if (e.kind === 'ints' && !/^\d+([\s,]+\d+)*$/.test(text)) return 'numbers_only'
  if (e.kind === 'number') {
    const n = Number(text)
    if (!Number.isInteger(n) || n < (e.least ?? 0) || n > (e.most ?? Infinity)) return 'out_of_range'
  }
  return ''
}

/** The row as the policy holds it: what is empty is absent. */
export function rowOf(entries: Entry[], typed: Record<string, string>, before: Tree | undefined): Tree {
  const row: Tree = { ...before }
  for (const e of entries) {
    const text = (typed[e.name] ?? '').trim()
    const value: Json | undefined = !text
      ? undefined
      : e.kind === 'ints'
        ? text.split(/[\s,]+/).map(Number)
        : e.kind === 'words'
          ? text.split(/[\s,]+/)
          : e.kind === 'number'
            ? Number(text)
            : e.kind === 'yesno'
              ? text === 'true' || undefined
              : text
    if (value === undefined) delete row[e.name]
    else row[e.name] = value
  }
  return row
}

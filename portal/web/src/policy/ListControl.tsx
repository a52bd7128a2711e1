import { useState } from 'react'
import type { Json, Tree } from '../api/types'
import { Button } from '../part/Button'
import { useText } from '../text/text'
import { EntryDialog } from './EntryDialog'
import type { FieldForm } from './forms'
import { RowError, type RowErrors } from './RowError'

interface Props {
  service: string
  field: Extract<FieldForm, { kind: 'list' }>
  rows: Json[]
  disabled: boolean
  errors: RowErrors
  onChange: (rows: Json[]) => void
}

const treeOf = (row: Json | undefined): Tree => (row && typeof row === 'object' && !Array.isArray(row) ? row : {})

/** The rows of a list, each to be changed or taken out in a dialog of its own. */
export function ListControl({ service, field, rows, disabled, errors, onChange }: Props) {
  const { t } = useText()
  const [open, setOpen] = useState<number>()
  const prefix = `policy.${service}.${field.name}`
  const note = (row: Tree) =>
    ['reason', 'origin', 'expires'].flatMap((k) =>
      row[k] ? [k === 'expires' ? t('policy.until', { day: String(row[k]) }) : String(row[k])] : [],
    )
  return (
    <div className="flex min-w-0 flex-col items-start gap-2">
      {rows.length === 0 && <p className="text-ink-2">{t(prefix + '.empty')}</p>}
      <ul className="w-full">
        {rows.map((row, i) => {
          const tree = treeOf(row)
          const wrong = errors.filter((e) => e.path.startsWith(`/${field.name}/${i}`))
          return (
            <li key={i} className="border-b border-hair py-2">
              <button type="button" onClick={() => setOpen(i)} className="link text-left font-700 wrap-anywhere">
                {String(tree[field.title] ?? t('policy.row', { n: i + 1 }))}
              </button>
              <span className="ml-3 text-ink-2 wrap-anywhere">{note(tree).join(' ')}</span>
              <RowError errors={wrong} />
            </li>
          )
        })}
      </ul>
      {!disabled && (
        <Button small icon="plus" onClick={() => setOpen(rows.length)}>
          {t(prefix + '.add')}
        </Button>
      )}
      {open !== undefined && (
        <EntryDialog
          service={service}
          field={field}
          row={rows[open] === undefined ? undefined : treeOf(rows[open])}
          errors={errors
            .filter((e) => e.path.startsWith(`/${field.name}/${open}/`))
            .map((e) => ({ ...e, path: e.path.slice(`/${field.name}/${open}/`.length) }))}
          readOnly={disabled}
          onClose={() => setOpen(undefined)}
          onSave={(next) => {
            onChange(
              next === undefined
                ? rows.filter((_, i) => i !== open)
                : open < rows.length
                  ? rows.map((r, i) => (i === open ? next : r))
                  : [...rows, next],
            )
            setOpen(undefined)
          }}
        />
      )}
    </div>
  )
}

import { useEffect, useRef, type ReactNode } from 'react'
import { useKeys } from '../frame/keys'
import { Link } from '../route/Link'
import { useText } from '../text/text'

export interface Column<T> {
  key: string
  label: string
  cell: (row: T) => ReactNode
  right?: boolean
  sortable?: boolean
  className?: string
}

export interface Sort {
  key: string
  down: boolean
}

interface Props<T> {
  caption: string
  columns: Column<T>[]
  rows: T[]
  rowKey: (row: T) => string
  /** The row's permanent address: its first cell becomes a link. */
  href?: (row: T) => string
  /** Opens beside the table instead of following the link. */
  onOpen?: (row: T) => void
  selected?: string | undefined
  sort?: Sort
  onSort?: (sort: Sort) => void
  dense?: boolean
  empty: ReactNode
}

/**
 * The one table. Rows come filtered, sorted and cut from the server. J and K
 * move between rows that open, Enter opens. On a narrow screen each row stands
 * as a block with its labels, so that nothing is cut off.
 */
export function DataTable<T>({ caption, columns, rows, rowKey, href, onOpen, selected, sort, onSort, dense = false, empty }: Props<T>) {
  const { t } = useText()
  const body = useRef<HTMLTableSectionElement>(null)
  const step = (by: number) => {
    const links = [...(body.current?.querySelectorAll<HTMLElement>('[data-open]') ?? [])]
    const at = links.indexOf(document.activeElement as HTMLElement)
    const from = at >= 0 ? at : links.findIndex((l) => l.dataset.open === selected)
    links[Math.max(0, Math.min(links.length - 1, from < 0 ? 0 : from + by))]?.focus()
  }
  useKeys(href ? { j: () => step(1), k: () => step(-1) } : {})
  useEffect(() => {
    body.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' })
  }, [selected])
  if (rows.length === 0) return <>{empty}</>
  const text = dense ? 'text-14' : 'text-16'
  const pad = dense ? 'px-2 py-[7px]' : 'px-4 py-2.5'
  const head = (c: Column<T>) => {
    if (!c.sortable || !onSort) return c.label
    const on = sort?.key === c.key
    return (
      <button
        type="button"
        onClick={() => onSort({ key: c.key, down: on ? !sort.down : false })}
        className="font-700 underline-offset-4 hover:underline"
      >
        {c.label}
        <span aria-hidden="true" className="ml-1">
          {on ? (sort.down ? '▼' : '▲') : '△'}
        </span>
      </button>
    )
  }
  const order = (c: Column<T>) => (sort?.key === c.key ? (sort.down ? 'descending' : 'ascending') : undefined)
  return (
    <table role="table" className={`w-full border-collapse ${text} max-md:block`}>
      <caption className="sr-only">{caption}</caption>
      <thead role="rowgroup" className="max-md:sr-only">
        <tr role="row">
          {columns.map((c) => (
            <th
              key={c.key}
              role="columnheader"
              scope="col"
              aria-sort={order(c)}
              className={`border-b border-ink-3 ${pad} font-700 whitespace-nowrap text-ink-2 ${c.right ? 'text-right' : 'text-left'}`}
            >
              {head(c)}
              {sort?.key === c.key && !onSort && (
                <span aria-hidden="true" className="ml-1">
                  {sort.down ? '▼' : '▲'}
                </span>
              )}
            </th>
          ))}
        </tr>
      </thead>
      <tbody ref={body} role="rowgroup" className="max-md:block">
        {rows.map((row) => {
          const key = rowKey(row)
          const on = key === selected
          return (
            <tr
              key={key}
              role="row"
              aria-selected={onOpen ? on : undefined}
              onClick={onOpen ? () => onOpen(row) : undefined}
              className={`border-hair ${dense ? 'border-b' : 'not-last:border-b'} max-md:block max-md:px-4 max-md:py-3 ${on ? 'bg-blue-50' : onOpen ? 'cursor-pointer hover:bg-side' : ''}`}
            >
              {columns.map((c, i) => (
                <td
                  key={c.key}
                  role="cell"
                  className={`${pad} align-top max-md:flex max-md:gap-3 max-md:p-0 max-md:py-0.5 ${c.right ? 'text-right max-md:text-left' : ''} ${c.className ?? ''}`}
                >
                  <span className="w-[6.5em] shrink-0 text-ink-2 md:hidden">{c.label}</span>
                  <span className="min-w-0 max-md:wrap-anywhere">
                    {i === 0 && href ? (
                      <Link
                        href={href(row)}
                        data-open={key}
                        onClick={(e) => {
                          if (!onOpen || e.metaKey || e.ctrlKey || e.shiftKey) return
                          e.preventDefault()
                          e.stopPropagation()
                          onOpen(row)
                        }}
                        className={onOpen && !on ? 'text-ink hover:underline' : 'link'}
                      >
                        {c.cell(row)}
                      </Link>
                    ) : (
                      c.cell(row)
                    )}
                  </span>
                </td>
              ))}
            </tr>
          )
        })}
      </tbody>
      {onOpen && (
        <tfoot role="rowgroup" className="sr-only">
          <tr role="row">
            <td role="cell">{t('table.keys')}</td>
          </tr>
        </tfoot>
      )}
    </table>
  )
}

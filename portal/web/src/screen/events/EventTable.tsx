import type { ReactNode } from 'react'
import type { EventRow } from '../../api/types'
import { DataTable, type Column } from '../../part/DataTable'
import { clockTime, day, sameDay } from '../../text/format'
import { useText } from '../../text/text'
import { Outcome } from './Outcome'
import { useBodyNames } from '../bodies/useBodyNames'

interface Props {
  events: EventRow[]
  empty: ReactNode
  onOpen?: (event: EventRow) => void
  selected?: string | undefined
}

/** Events as dense rows, newest first; rows of a stats query as their own columns. */
export function EventTable({ events, empty, onOpen, selected }: Props) {
  const { t, code, name, language } = useText()
  const names = useBodyNames()
  const first = events[0]
  if (first && !first['event.id']) {
    const columns = Object.keys(first).map((k): Column<EventRow> => ({ key: k, label: name('field.', k), cell: (e) => e[k] ?? '' }))
    return <DataTable dense caption={t('events.rows')} rows={events} rowKey={(e) => JSON.stringify(e)} columns={columns} empty={empty} />
  }
  const today = events.every((e) => sameDay(e._time ?? '', Date.now()))
  const columns: Column<EventRow>[] = [
    {
      key: 'time',
      label: t('event.time'),
      className: 'whitespace-nowrap',
      cell: (e) => (
        <time dateTime={e._time}>
          {!today && `${day(e._time ?? '', language)} `}
          {clockTime(e._time ?? '', 'milli')}
        </time>
      ),
    },
    ...(names ? [{ key: 'tenant', label: t('body.one'), cell: (e: EventRow) => names.get(e.tenant ?? '') ?? e.tenant ?? '' }] : []),
    {
      key: 'service',
      label: t('event.place'),
      className: 'whitespace-nowrap',
      cell: (e) => code('place.', e.service, undefined, 'place.other'),
    },
    { key: 'source', label: t('event.source'), className: 'whitespace-nowrap', cell: (e) => e['source.ip'] ?? e['user.name'] ?? '—' },
    { key: 'target', label: t('event.target'), className: 'md:whitespace-nowrap', cell: (e) => e['url.domain'] ?? e['object'] ?? '—' },
    {
      key: 'what',
      label: t('event.what'),
      className: 'md:min-w-[110px] wrap-anywhere',
      cell: (e) => {
        if (!e['http.request.method']) return name('action.event.', e['event.action'] ?? '')
        const attack = e['rule.category'] ? code('attack.short.', e['rule.category'], undefined, 'attack.other') + ' ' : ''
        return `${attack}${e['http.request.method']} ${e['url.path'] ?? ''}`
      },
    },
    { key: 'outcome', label: t('event.outcome'), className: 'whitespace-nowrap', cell: (e) => <Outcome event={e} /> },
  ]
  return (
    <DataTable
      dense
      caption={t('events.rows')}
      rows={events}
      rowKey={(e) => e['event.id'] ?? ''}
      href={(e) => `/events/${e['event.id']}`}
      {...(onOpen ? { onOpen } : {})}
      selected={selected}
      sort={{ key: 'time', down: true }}
      columns={columns}
      empty={empty}
    />
  )
}

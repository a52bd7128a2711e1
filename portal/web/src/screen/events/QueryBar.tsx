import { useState } from 'react'
import { Button } from '../../part/Button'
import { useRouter } from '../../route/router'
import type { Narrowing } from './query'
import { referencePath } from './reference'
import { TimeRange } from './TimeRange'
import { useText } from '../../text/text'

interface Props {
  now: Narrowing
  busy: boolean
  onChange: (change: Record<string, string | undefined>) => void
}

/** The query, the time it is about, and the one button. */
export function QueryBar({ now, busy, onChange }: Props) {
  const { t } = useText()
  const { go } = useRouter()
  const [q, setQ] = useState(now.q)
  return (
    <form
      role="search"
      aria-label={t('events.search')}
      className="flex flex-wrap gap-3"
      onSubmit={(e) => {
        e.preventDefault()
        const event = referencePath(q)
        if (event) go(event)
        else onChange({ q: q.trim() })
      }}
    >
      <div className="relative min-w-[240px] flex-1">
        <input
          data-search
          aria-label={t('events.query')}
          placeholder={t('events.query_hint')}
          value={q}
          onChange={(e) => setQ(e.target.value)}
          spellCheck={false}
          autoCapitalize="off"
          className="control pr-12 font-mono placeholder:text-ink-3"
        />
        <span aria-hidden="true" className="key absolute top-1/2 right-3 -translate-y-1/2 max-md:hidden">
          /
        </span>
      </div>
      <TimeRange since={now.since} from={now.from} to={now.to} onChange={(c) => onChange({ since: c.since, from: c.from, to: c.to })} />
      <Button type="submit" look="primary" busy={busy && q.trim() === now.q}>
        {t('events.run')}
      </Button>
    </form>
  )
}

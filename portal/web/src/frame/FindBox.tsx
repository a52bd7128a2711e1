import { useState } from 'react'
import { api } from '../api/client'
import type { Page, Tenant } from '../api/types'
import { Icon } from '../part/Icon'
import { useRouter } from '../route/router'
import { referencePath } from '../screen/events/reference'
import { useText } from '../text/text'

/** Finds a body by name or code, an event by its reference number, or anything else in the events. */
export function FindBox() {
  const { t } = useText()
  const { go } = useRouter()
  const [words, setWords] = useState('')
  const find = async () => {
    const what = words.trim()
    if (!what) return
    setWords('')
    const event = referencePath(what)
    if (event) {
      go(event)
      return
    }
    const found = await api.get<Page<Tenant>>(`/tenants?q=${encodeURIComponent(what)}`).catch(() => null)
    const only = found?.data.items?.length === 1 ? found.data.items[0] : undefined
    go(only ? `/bodies/${only.id}` : `/events?q=${encodeURIComponent(JSON.stringify(what))}&since=24h`)
  }
  return (
    <form
      role="search"
      aria-label={t('find.label')}
      onSubmit={(e) => {
        e.preventDefault()
        void find()
      }}
      className="relative w-[320px] max-lg:hidden"
    >
      <Icon name="search" size={18} className="absolute top-1/2 left-3 -translate-y-1/2 text-ink-2" />
      <input
        data-search
        aria-label={t('find.label')}
        placeholder={t('find.hint')}
        value={words}
        onFocus={(e) => e.target.select()}
        onChange={(e) => setWords(e.target.value)}
        className="control min-h-10 pr-10 pl-10 placeholder:text-ink-3"
      />
      <span aria-hidden="true" className="key absolute top-1/2 right-3 -translate-y-1/2">
        /
      </span>
    </form>
  )
}

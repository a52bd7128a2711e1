import { useState } from 'react'
import { useRouter } from '../route/router'
import { useText } from '../text/text'
import { Button } from './Button'
import { Dialog } from './Dialog'
import { Icon } from './Icon'
import { TextField } from './TextField'

interface View {
  name: string
  query: string
}

const place = (list: string) => `sekikura.views.${list}`

function read(list: string): View[] {
  try {
    const saved: unknown = JSON.parse(localStorage.getItem(place(list)) ?? '[]')
    return Array.isArray(saved) ? (saved as View[]) : []
  } catch {
    return []
  }
}

/** Named filters of one list, kept in this browser; the address holds the present one. */
export function SavedViews({ list }: { list: string }) {
  const { t } = useText()
  const { path, query, go } = useRouter()
  const [views, setViews] = useState(() => read(list))
  const [open, setOpen] = useState(false)
  const [name, setName] = useState('')
  const keep = (next: View[]) => {
    localStorage.setItem(place(list), JSON.stringify(next))
    setViews(next)
  }
  const now = query.toString()
  return (
    <>
      <Button small look="text" icon="bookmark" onClick={() => setOpen(true)}>
        {t('views.title')}
      </Button>
      <Dialog title={t('views.title')} open={open} onClose={() => setOpen(false)}>
        {views.length === 0 && <p className="text-ink-2">{t('views.empty')}</p>}
        <ul className="flex flex-col">
          {views.map((v) => (
            <li key={v.name} className="flex items-center justify-between gap-3 border-b border-hair py-2">
              <button
                type="button"
                className="link text-left"
                onClick={() => {
                  setOpen(false)
                  go(path + (v.query ? '?' + v.query : ''))
                }}
              >
                {v.name}
              </button>
              <button
                type="button"
                aria-label={t('views.remove', { name: v.name })}
                onClick={() => keep(views.filter((o) => o !== v))}
                className="flex size-11 items-center justify-center rounded-8 hover:bg-side"
              >
                <Icon name="trash" />
              </button>
            </li>
          ))}
        </ul>
        <form
          className="flex flex-col gap-4"
          onSubmit={(e) => {
            e.preventDefault()
            if (!name.trim()) return
            keep([...views.filter((v) => v.name !== name.trim()), { name: name.trim(), query: now }])
            setName('')
          }}
        >
          <TextField label={t('views.name')} help={t('views.help')} value={name} onChange={setName} required maxLength={60} />
          <div>
            <Button type="submit" look="primary">
              {t('views.save')}
            </Button>
          </div>
        </form>
      </Dialog>
    </>
  )
}

import { useState } from 'react'
import { Button } from '../../part/Button'
import { Dialog } from '../../part/Dialog'
import { Select } from '../../part/Select'
import { TextField } from '../../part/TextField'
import { moment } from '../../text/format'
import { useText } from '../../text/text'

const spans = ['15m', '1h', '6h', '24h', '7d', '30d']

// A field of the browser holds local time without zone; the portal's clock is Japan's.
const toField = (iso: string) => new Date(Date.parse(iso) + 9 * 3600_000).toISOString().slice(0, 16)
const fromField = (text: string) => new Date(text + ':00+09:00').toISOString()

interface Props {
  since: string
  from: string
  to: string
  onChange: (change: { since?: string; from?: string; to?: string }) => void
}

/** A span back from now, or a stretch of time between two moments. */
export function TimeRange({ since, from, to, onChange }: Props) {
  const { t, language } = useText()
  const [open, setOpen] = useState(false)
  const [a, setA] = useState('')
  const [b, setB] = useState('')
  const wrong = a && b && a >= b ? t('range.order') : undefined
  const fixed = from ? `${moment(from, language)} – ${to ? moment(to, language) : t('range.now')}` : t('range.between')
  return (
    <>
      <Select
        aria-label={t('range.label')}
        className="max-w-[300px] min-w-[180px]"
        value={from ? 'between' : since}
        options={[
          ...(spans.includes(since) || from ? spans : [since, ...spans]).map((s) => ({
            value: s,
            label: spans.includes(s) ? t('range.' + s) : s,
          })),
          { value: 'between', label: fixed },
        ]}
        onChange={(value) => {
          if (value !== 'between') {
            onChange({ since: value })
            return
          }
          setA(toField(from || new Date(Date.now() - 3600_000).toISOString()))
          setB(toField(to || new Date().toISOString()))
          setOpen(true)
        }}
      />
      <Dialog title={t('range.between')} open={open} onClose={() => setOpen(false)}>
        <form
          className="flex flex-col gap-5"
          onSubmit={(e) => {
            e.preventDefault()
            if (!a || !b || wrong) return
            setOpen(false)
            onChange({ from: fromField(a), to: fromField(b) })
          }}
        >
          <TextField label={t('range.from')} type="datetime-local" value={a} onChange={setA} required />
          <TextField label={t('range.to')} type="datetime-local" value={b} onChange={setB} required error={wrong} />
          <div>
            <Button type="submit" look="primary">
              {t('range.show')}
            </Button>
          </div>
        </form>
      </Dialog>
    </>
  )
}

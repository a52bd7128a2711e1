import { useState } from 'react'
import { api } from '../../api/client'
import type { Token } from '../../api/types'
import { Button } from '../../part/Button'
import { Checkbox } from '../../part/Checkbox'
import { ErrorNote } from '../../part/ErrorNote'
import { SelectField } from '../../part/SelectField'
import { TextField } from '../../part/TextField'
import { useSend } from '../../part/useSend'
import { useSession } from '../../session/session'
import { useText } from '../../text/text'

const days = [7, 30, 90, 366]
const never = new Set(['session.own', 'token.own'])

export function TokenForm({ onMade }: { onMade: (token: string) => void }) {
  const { t } = useText()
  const { me } = useSession()
  const [name, setName] = useState('')
  const [scopes, setScopes] = useState<string[]>([])
  const [until, setUntil] = useState('30')
  const [tried, setTried] = useState(false)
  const { busy, problem, send } = useSend()
  const make = async () => {
    setTried(true)
    if (!name.trim() || scopes.length === 0) return
    await send(async () => {
      const { data } = await api.post<Token>('/tokens', { name: name.trim(), scopes, days: Number(until) })
      setName('')
      setScopes([])
      setTried(false)
      onMade(data.token ?? '')
    })
  }
  return (
    <form
      noValidate
      className="card flex max-w-[720px] flex-col gap-5 p-6 max-md:p-4"
      onSubmit={(e) => {
        e.preventDefault()
        void make()
      }}
    >
      {problem && <ErrorNote problem={problem} what={t('tokens.make_failed')} />}
      <TextField
        label={t('tokens.name')}
        help={t('tokens.name_help')}
        value={name}
        onChange={setName}
        required
        error={tried && !name.trim() ? t('entry.missing') : undefined}
        maxLength={80}
      />
      <fieldset>
        <legend className="mb-1 font-700">{t('tokens.scopes')}</legend>
        <p className="text-ink-2">{t('tokens.scopes_help')}</p>
        <div className="grid grid-cols-2 gap-x-6 max-md:grid-cols-1">
          {me.scopes
            .filter((s) => !never.has(s))
            .map((s) => (
              <Checkbox
                key={s}
                checked={scopes.includes(s)}
                onChange={(on) => setScopes(on ? [...scopes, s] : scopes.filter((o) => o !== s))}
              >
                {t('scope.' + s)}
              </Checkbox>
            ))}
        </div>
        {tried && scopes.length === 0 && (
          <p role="alert" className="text-red-1000">
            {t('tokens.scopes_missing')}
          </p>
        )}
      </fieldset>
      <SelectField
        label={t('tokens.until')}
        value={until}
        onChange={setUntil}
        options={days.map((d) => ({ value: String(d), label: t('tokens.days', { n: d }) }))}
        required
      />
      <div>
        <Button type="submit" look="primary" busy={busy}>
          {t('tokens.make_go')}
        </Button>
      </div>
    </form>
  )
}

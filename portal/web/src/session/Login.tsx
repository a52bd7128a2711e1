import { useState } from 'react'
import { api } from '../api/client'
import { Problem } from '../api/problem'
import type { Me } from '../api/types'
import { Button } from '../part/Button'
import { ErrorNote } from '../part/ErrorNote'
import { TextField } from '../part/TextField'
import { useText } from '../text/text'
import { Outside } from './Outside'

interface Props {
  /** The session ended while somebody was working. */
  ended: boolean
  onIn: (me: Me) => void
}

export function Login({ ended, onIn }: Props) {
  const { t } = useText()
  const [login, setLogin] = useState('')
  const [password, setPassword] = useState('')
  const [code, setCode] = useState('')
  const [second, setSecond] = useState(false)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()

  const send = async () => {
    setBusy(true)
    setProblem(undefined)
    try {
      const body = { login: login.trim(), password, ...(second ? { code: code.replace(/\s/g, '') } : {}) }
      onIn((await api.post<Me>('/session', body)).data)
    } catch (cause) {
      const found = cause instanceof Problem ? cause : new Problem(0, {})
      if (found.code === 'totp_required') setSecond(true)
      else setProblem(found)
    } finally {
      setBusy(false)
    }
  }
  return (
    <Outside title={t(second ? 'login.second_title' : 'login.title')}>
      {ended && !problem && <p role="status">{t('login.ended')}</p>}
      {problem && <ErrorNote problem={problem} />}
      <form
        className="flex flex-col gap-5"
        onSubmit={(e) => {
          e.preventDefault()
          if (!busy) void send()
        }}
      >
        {second ? (
          <TextField
            key="code"
            label={t('login.code')}
            help={t('login.code_help')}
            value={code}
            onChange={setCode}
            required
            autoComplete="one-time-code"
            inputMode="numeric"
            autoFocus
            name="code"
          />
        ) : (
          <>
            <TextField label={t('login.name')} value={login} onChange={setLogin} required autoComplete="username" autoFocus name="login" />
            <TextField
              label={t('login.password')}
              value={password}
              onChange={setPassword}
              required
              type="password"
              autoComplete="current-password"
              name="password"
            />
          </>
        )}
        <Button type="submit" look="primary" busy={busy}>
          {t(busy ? 'login.checking' : second ? 'login.confirm' : 'login.enter')}
        </Button>
        {second && (
          <Button
            look="text"
            onClick={() => {
              setSecond(false)
              setCode('')
              setProblem(undefined)
            }}
          >
            {t('login.again')}
          </Button>
        )}
      </form>
      <p className="text-ink-2">{t(second ? 'login.lost_code' : 'login.lost')}</p>
    </Outside>
  )
}

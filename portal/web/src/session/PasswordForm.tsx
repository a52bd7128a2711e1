import { useState } from 'react'
import { api } from '../api/client'
import { Problem } from '../api/problem'
import { Button } from '../part/Button'
import { ErrorNote } from '../part/ErrorNote'
import { TextField } from '../part/TextField'
import { useText } from '../text/text'

const shortest = 12

interface Props {
  login: string
  oldLabel: string
  onDone: () => void
}

export function PasswordForm({ login, oldLabel, onDone }: Props) {
  const { t, code } = useText()
  const [old, setOld] = useState('')
  const [fresh, setFresh] = useState('')
  const [again, setAgain] = useState('')
  const [tried, setTried] = useState(false)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()

  const refused = problem?.errors.find((e) => e.path.endsWith('/new'))
  const wrongOld = problem?.errors.find((e) => e.path.endsWith('/old'))
  const short = tried && fresh.length < shortest ? t('password.short', { least: shortest }) : undefined
  const newError = short ?? (refused && code('entry.', refused.code, refused.args, 'entry.other'))
  const againError = tried && again !== fresh ? t('password.differ') : undefined
  const send = async () => {
    setTried(true)
    if (fresh.length < shortest || again !== fresh) return
    setBusy(true)
    setProblem(undefined)
    try {
      await api.post('/session/password', { old, new: fresh })
      onDone()
    } catch (cause) {
      setProblem(cause instanceof Problem ? cause : new Problem(0, {}))
    } finally {
      setBusy(false)
    }
  }
  return (
    <form
      className="flex flex-col gap-5"
      onSubmit={(e) => {
        e.preventDefault()
        if (!busy) void send()
      }}
    >
      {problem && !refused && !wrongOld && <ErrorNote problem={problem} />}
      <input type="text" name="login" autoComplete="username" value={login} readOnly hidden />
      <TextField
        label={oldLabel}
        value={old}
        onChange={setOld}
        error={wrongOld && code('entry.', wrongOld.code, wrongOld.args, 'entry.other')}
        type="password"
        required
        autoComplete="current-password"
        name="old"
      />
      <TextField
        label={t('password.new')}
        help={t('password.help', { least: shortest })}
        value={fresh}
        onChange={setFresh}
        error={newError}
        type="password"
        required
        autoComplete="new-password"
        name="new"
      />
      <TextField
        label={t('password.again')}
        value={again}
        onChange={setAgain}
        error={againError}
        type="password"
        required
        autoComplete="new-password"
        name="again"
      />
      <div>
        <Button type="submit" look="primary" busy={busy}>
          {t('password.change')}
        </Button>
      </div>
    </form>
  )
}

import { useEffect, useRef, useState, type ReactNode } from 'react'
import { useText } from '../text/text'
import { Button } from './Button'
import { Steps } from './Steps'

export interface WizardStep {
  key: string
  title: string
  body: ReactNode
  /** Whether the answers let the next step come; it marks what is missing. */
  check: () => boolean
}

interface Props {
  steps: WizardStep[]
  finish: string
  busy: boolean
  /** The step to show when the server refused an entry of it. */
  at?: string | undefined
  onFinish: () => void
}

/** Questions one screen after another; answers stay when one goes back. */
export function Wizard({ steps, finish, busy, at, onFinish }: Props) {
  const { t } = useText()
  const [now, setNow] = useState(0)
  const title = useRef<HTMLHeadingElement>(null)
  const show = (n: number) => {
    setNow(n)
    requestAnimationFrame(() => title.current?.focus())
  }
  useEffect(() => {
    const wanted = steps.findIndex((s) => s.key === at)
    if (wanted >= 0) setNow(wanted)
    // The steps are made anew with each answer; only a new refusal moves.
  }, [at])
  const step = steps[now]
  if (!step) return null
  const last = now === steps.length - 1
  return (
    <form
      noValidate
      className="flex max-w-[720px] flex-col gap-6"
      onSubmit={(e) => {
        e.preventDefault()
        if (busy || !step.check()) return
        if (last) onFinish()
        else show(now + 1)
      }}
    >
      <Steps steps={steps.map((s) => s.title)} now={now} />
      <div className="card flex flex-col gap-5 p-6 max-md:p-4">
        <h2 ref={title} tabIndex={-1} className="text-20 font-700 outline-none">
          {step.title}
        </h2>
        {step.body}
      </div>
      <div className="flex flex-wrap gap-3 max-md:flex-col-reverse">
        {now > 0 && (
          <Button icon="left" onClick={() => show(now - 1)}>
            {t('action.back')}
          </Button>
        )}
        <Button type="submit" look="primary" busy={busy}>
          {last ? finish : t('action.next')}
        </Button>
      </div>
    </form>
  )
}

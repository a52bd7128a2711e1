import { useState } from 'react'
import { useText } from '../text/text'
import { Button } from './Button'

/** Copies text and says so. Without a clipboard it says that copying is by hand. */
export function CopyButton({ text, label }: { text: string; label?: string }) {
  const { t } = useText()
  const [state, setState] = useState<'idle' | 'done' | 'failed'>('idle')
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setState('done')
    } catch {
      setState('failed')
    }
  }
  const words = { idle: label ?? t('action.copy'), done: t('action.copied'), failed: t('action.copy_failed') }
  return (
    <Button small icon={state === 'done' ? 'tick' : 'copy'} onClick={() => void copy()}>
      <span aria-live="polite">{words[state]}</span>
    </Button>
  )
}

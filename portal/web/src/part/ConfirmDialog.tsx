import type { ReactNode } from 'react'
import { Button } from './Button'
import { Dialog } from './Dialog'
import { useText } from '../text/text'

interface Props {
  /** Names the target. */
  title: string
  /** What it does and how to undo it. */
  what: string
  verb: string
  danger?: boolean
  busy: boolean
  onGo: () => void
  onClose: () => void
  children?: ReactNode
}

/** One more look before something that is hard to take back. */
export function ConfirmDialog({ title, what, verb, danger = false, busy, onGo, onClose, children }: Props) {
  const { t } = useText()
  return (
    <Dialog title={title} open onClose={onClose}>
      <p>{what}</p>
      {children}
      <div className="flex flex-wrap gap-3 max-md:flex-col">
        <Button look={danger ? 'danger' : 'primary'} busy={busy} onClick={onGo}>
          {verb}
        </Button>
        <Button onClick={onClose}>{t('action.leave')}</Button>
      </div>
    </Dialog>
  )
}

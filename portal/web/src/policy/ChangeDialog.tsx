import { useState } from 'react'
import type { Why } from '../api/types'
import type { Problem } from '../api/problem'
import { Button } from '../part/Button'
import { Dialog } from '../part/Dialog'
import { ErrorNote } from '../part/ErrorNote'
import { Segments } from '../part/Segments'
import { TextField } from '../part/TextField'
import { useText } from '../text/text'

interface Props {
  title: string
  what: string
  verb: string
  /** An approval afterwards: only the number is asked for. */
  approving: boolean
  /** The operator asks for a number in an emergency too. */
  numberAlways: boolean
  busy: boolean
  problem: Problem | undefined
  /** Reads what somebody else wrote in the meantime; offered where that is the problem. */
  onReload: () => void
  onClose: () => void
  onGo: (why: Why) => void
}

/** Asks for the change's number, or for an emergency whose approval follows. */
export function ChangeDialog({ title, what, verb, approving, numberAlways, busy, problem, onReload, onClose, onGo }: Props) {
  const { t } = useText()
  const [kind, setKind] = useState('reference')
  const [reference, setReference] = useState('')
  const [note, setNote] = useState('')
  const [tried, setTried] = useState(false)
  const urgent = kind === 'emergency'
  const numbered = !urgent || numberAlways
  return (
    <Dialog title={title} open onClose={onClose}>
      <p>{what}</p>
      {problem && (
        <ErrorNote
          problem={problem}
          what={t('change.failed')}
          onRetry={problem.status === 409 || problem.status === 412 ? onReload : undefined}
        />
      )}
      <form
        noValidate
        className="flex flex-col gap-5"
        onSubmit={(e) => {
          e.preventDefault()
          setTried(true)
          if (busy || (numbered && !reference.trim()) || (urgent && !note.trim())) return
          onGo({
            ...(urgent ? { emergency: true } : {}),
            ...(numbered ? { reference: reference.trim() } : {}),
            ...(note.trim() ? { note: note.trim() } : {}),
          })
        }}
      >
        {!approving && (
          <div>
            <Segments
              label={t('change.kind')}
              value={kind}
              onChange={setKind}
              segments={[
                { value: 'reference', label: t('change.with_reference') },
                { value: 'emergency', label: t('change.emergency') },
              ]}
            />
          </div>
        )}
        {urgent && <p>{t('change.emergency_what')}</p>}
        {numbered && (
          <TextField
            label={t('change.reference')}
            help={t('change.reference_help')}
            value={reference}
            onChange={setReference}
            required
            autoFocus
            error={tried && !reference.trim() ? t('change.reference_missing') : undefined}
            maxLength={100}
          />
        )}
        {!approving && (
          <TextField
            label={t('change.note')}
            value={note}
            onChange={setNote}
            rows={2}
            required={urgent}
            error={tried && urgent && !note.trim() ? t('change.note_missing') : undefined}
            maxLength={1000}
          />
        )}
        <div>
          <Button type="submit" look="primary" busy={busy}>
            {verb}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

import { useState } from 'react'
import { address, type Params } from '../../api/client'
import { ButtonLink } from '../../part/ButtonLink'
import { Button } from '../../part/Button'
import { Dialog } from '../../part/Dialog'
import { useText } from '../../text/text'

const formats = ['csv', 'ltsv', 'json']

/** The rows as a file. Taking them out is written into the audit log, and the dialog says so. */
export function ExportMenu({ params }: { params: Params }) {
  const { t } = useText()
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button small look="text" icon="download" onClick={() => setOpen(true)}>
        {t('export.title')}
      </Button>
      <Dialog title={t('export.title')} open={open} onClose={() => setOpen(false)}>
        <p>{t('export.what')}</p>
        <ul className="flex flex-col gap-3">
          {formats.map((f) => (
            <li key={f} className="flex flex-wrap items-center justify-between gap-3">
              <span>{t('export.' + f)}</span>
              <ButtonLink small download href={address('/events/export', { ...params, format: f })} icon="download">
                {t('export.take', { format: f.toUpperCase() })}
              </ButtonLink>
            </li>
          ))}
        </ul>
      </Dialog>
    </>
  )
}

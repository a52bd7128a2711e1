import { useEffect, useRef } from 'react'
import { CopyButton } from '../../part/CopyButton'
import { Sign } from '../../part/Sign'
import { useText } from '../../text/text'

/** A secret that is shown this once. */
export function OneTime({ label, secret, how }: { label: string; secret: string; how: string }) {
  const { t } = useText()
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => box.current?.scrollIntoView({ block: 'center' }), [secret])
  return (
    <div ref={box} role="status" className="card flex max-w-[720px] flex-col gap-3 border-yellow-700 bg-yellow-50 p-5">
      <p className="flex items-center gap-2 font-700 text-yellow-1100">
        <Sign tone="notice" />
        {t('secret.once')}
      </p>
      <p>
        {label}
        <br />
        <strong data-secret className="font-mono text-20 wrap-anywhere select-all">
          {secret}
        </strong>
      </p>
      <div>
        <CopyButton text={secret} />
      </div>
      <p>{how}</p>
    </div>
  )
}

import type { Contact } from '../api/types'
import { useText } from '../text/text'
import { Icon } from '../part/Icon'

/** Whom to call, always in sight of a body's people. */
export function HelpLine({ contact, name }: { contact: Contact; name: string }) {
  const { t } = useText()
  if (!contact.phone && !contact.mail) return null
  return (
    <div className="border-t border-hair pt-4">
      <p className="font-700">{t('help.title')}</p>
      {contact.phone && (
        <a
          href={`tel:${contact.phone.replace(/[^\d+]/g, '')}`}
          className="flex items-center gap-2 text-18 font-700 whitespace-nowrap hover:underline"
        >
          <Icon name="phone" size={18} />
          {contact.phone}
        </a>
      )}
      {contact.mail && !contact.phone && (
        <a className="link wrap-anywhere" href={`mailto:${contact.mail}`}>
          {contact.mail}
        </a>
      )}
      <p className="text-ink-2">
        {name}
        {contact.section && ` ${contact.section}`}
      </p>
    </div>
  )
}

"""Long passwords that people choose first, and the rows of keys they walk along.

A short list made by hand, not a copy of a breached collection: it holds what the rules in passwords.py do not see by
themselves. Entries are in lower case without blanks or signs, as passwords are compared.
"""

COMMON = frozenset({
    "administrator1", "administrator12", "administrator123", "administrator1234", "adminadminadmin1",
    "areyoukiddingme", "asdfghjklqwertyuiop", "changemechangeme1", "changemeplease", "changemeplease1",
    "changemeplease123", "changethispassword", "clinicpassword", "clinicpassword1", "clinicpassword123",
    "correcthorsebatterystaple", "defaultpassword", "defaultpassword1", "defaultpassword123", "doctordoctor123",
    "fuckyoufuckyou1", "hospitalpassword", "hospitalpassword1", "idontknowmypassword", "idontrememberit",
    "iforgotmypassword", "iforgotmypassword1", "ihatepasswords", "ihatepasswords1", "iloveyouforever",
    "iloveyouforever1", "iloveyousomuch", "iloveyousomuch1", "jesuslovesyou1", "letmeinletmein1", "letmeinplease",
    "letmeinplease1", "letmeinplease123", "longpassword123", "mynewpassword123", "mypasswordismypassword",
    "mypasswordispassword", "nevergonnagiveyouup", "nopasswordneeded", "opensesameopensesame", "password1password",
    "password123456", "password1234567", "password12345678", "password123456789", "password1234567890",
    "passwordpassword1", "passwordpassword123", "qwertyuiopasdfghjkl", "rememberthispassword", "secretpassword",
    "secretpassword1", "secretpassword123", "supersecretpassword", "temporarypassword", "temporarypassword1",
    "testtesttesttest1", "thequickbrownfox", "thequickbrownfoxjumps", "thisisapassword", "thisisapassword1",
    "thisisapassword123", "thisismypassword", "thisismypassword1", "thisismypassword123", "trustno1trustno1x",
    "verysecurepassword", "welcometotheclinic", "welcomewelcome1", "welcome123456789", "whatisthepassword",
    "whatsthepassword", "youshallnotpass", "youshallnotpass1",
})  # fmt: skip

# Words of this place (ASVS 5.0 6.2.11): none alone, and no two side by side.
OF_THIS_PLACE = frozenset({
    "administrator", "admin", "appointment", "auditor", "careapp", "caresystem", "clinic", "clinical", "clinician",
    "demo", "doctor", "episode", "frontdesk", "health", "healthcare", "hospital", "medical", "medicine", "myclinic",
    "nurse", "patient", "patients", "pharmacy", "physician", "prescription", "reception", "receptionist", "referral",
    "surgery",
})  # fmt: skip

KEY_ROWS = (
    "01234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "azertyuiop",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
)

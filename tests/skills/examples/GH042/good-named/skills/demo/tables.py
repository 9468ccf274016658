from columns import WIDTH

print(WIDTH)

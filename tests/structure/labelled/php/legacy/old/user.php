<?php

// A decoy: the name of a file that is included from elsewhere.

class LegacyGuest extends LegacyUser
{
}

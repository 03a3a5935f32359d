<?php

// A decoy: nobody includes it, and its names are declared elsewhere too.

class LegacyUser
{
}

<?php

function legacy_menu(LegacyUser $user)
{
    static $shown = false;
    if (!$shown) {
        require_once LEGACY_ROOT . 'pages/home.php';
    }
    echo legacy_escape($user->name);
}

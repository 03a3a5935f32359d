<?php

define('LEGACY_ROOT', dirname(__FILE__) . '/');
define('LEGACY_INC', 'inc');

require_once LEGACY_ROOT . LEGACY_INC . '/setup.php';
require 'menu.php';

$page = isset($_GET['page']) ? $_GET['page'] : 'home';
include LEGACY_ROOT . "pages/$page.php";

legacy_menu(new LegacyUser(SHOP_TITLE));
